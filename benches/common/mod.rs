//! Two things that do the same work, timed in turns, so that whatever else the machine does hits both alike.
//! Shared by the benches; read the ratio of the two medians, not the times.

use std::time::{Duration, Instant};

use criterion::Criterion;

/// Benchmarks `ours` and `peer` in turns: each sample of the one runs the other too, untimed.
pub(crate) fn alternate(
    criterion: &mut Criterion,
    group: &str,
    (our_name, ours): (&str, &mut dyn FnMut()),
    (peer_name, peer): (&str, &mut dyn FnMut()),
) {
    let mut group = criterion.benchmark_group(group);
    group.bench_function(our_name, |bencher| bencher.iter_custom(|rounds| timed(rounds, ours, peer)));
    group.bench_function(peer_name, |bencher| bencher.iter_custom(|rounds| timed(rounds, peer, ours)));
    group.finish();
    println!("{}", ratio((our_name, ours), (peer_name, peer)));
}

fn timed(rounds: u64, measured: &mut dyn FnMut(), other: &mut dyn FnMut()) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..rounds {
        total += once(measured);
        other();
    }
    total
}

fn once(work: &mut dyn FnMut()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

/// The ratio of the medians of 500 turns.
fn ratio((our_name, ours): (&str, &mut dyn FnMut()), (peer_name, peer): (&str, &mut dyn FnMut())) -> String {
    let (mut our_times, mut peer_times): (Vec<_>, Vec<_>) =
        (0..500).map(|_| (once(ours), once(peer))).unzip();
    our_times.sort();
    peer_times.sort();
    let (our_median, peer_median) = (our_times[250], peer_times[250]);
    let ratio = our_median.as_secs_f64() / peer_median.as_secs_f64();
    format!(
        "ratio {our_name} ÷ {peer_name}: {ratio:.2} ({our_median:.2?} ÷ {peer_median:.2?}, medians of 500 turns)"
    )
}
