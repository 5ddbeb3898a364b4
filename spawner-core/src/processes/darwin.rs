//! What the Darwin kernel answers, taken apart. No system call, so that it can be tried anywhere.
//!
//! `struct kinfo_proc` (sys/sysctl.h, of a 64-bit process) is what ps(1) goes by. It is asked for in place of libproc's
//! `proc_bsdinfo`, which an ordinary user gets of his own processes only (xnu, proc_info.c: `CHECK_SAME_USER`), so that a
//! member that changed its user could not even be named.

use super::Entry;

/// The size of `struct kinfo_proc`: of `extern_proc`, 296, and of `eproc` behind it.
const SIZE: usize = 648;

// Where what is of use stands in it.
const START: usize = 0; // p_un.__p_starttime, a struct timeval
const STATE: usize = 36; // p_stat
const PID: usize = 40; // p_pid
const NAME: usize = 243; // p_comm, with room for 16 bytes and a zero
const PARENT: usize = 296 + 264; // e_ppid
const GROUP: usize = 296 + 268; // e_pgid

/// `SSTOP` and `SZOMB` of sys/proc.h.
const STOPPED: u8 = 4;
const ZOMBIE: u8 = 5;

/// What `KERN_PROC` says of each process; their sessions are for the caller to ask for.
pub(super) fn entries(told: &[u8]) -> Vec<Entry> {
    told.chunks_exact(SIZE).filter_map(entry).collect()
}

fn entry(told: &[u8]) -> Option<Entry> {
    let number = |at: usize| Some(u32::from_ne_bytes(told.get(at..at + 4)?.try_into().ok()?));
    let seconds = u64::from_ne_bytes(told.get(START..START + 8)?.try_into().ok()?);
    let micros = u64::from(number(START + 8)?);
    let name = told.get(NAME..NAME + 17)?;
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    let state = *told.get(STATE)?;
    Some(Entry {
        pid: number(PID)?,
        parent: number(PARENT)?,
        group: number(GROUP)?,
        session: 0,
        start_time: seconds.checked_mul(1_000_000)?.checked_add(micros)?,
        name: String::from_utf8_lossy(name).into_owned(),
        dead: state == ZOMBIE,
        stopped: state == STOPPED,
    })
}

/// The environment in what `KERN_PROCARGS2` says: the number of arguments; the path that was executed, with zeros up to
/// the next word; the arguments; the environment; and after an empty text what is for the loader only.
pub(super) fn environment(told: &[u8]) -> Option<&[u8]> {
    let (count, rest) = told.split_first_chunk::<4>()?;
    let arguments = u32::from_ne_bytes(*count);
    let mut rest = after_zero(rest)?;
    while let Some((0, more)) = rest.split_first() {
        rest = more;
    }
    for _ in 0..arguments {
        rest = after_zero(rest)?;
    }
    let end = match rest.first() {
        None | Some(0) => 0,
        Some(_) => rest.windows(2).position(|pair| pair == [0, 0]).map_or(rest.len(), |end| end + 1),
    };
    rest.get(..end)
}

fn after_zero(text: &[u8]) -> Option<&[u8]> {
    let zero = text.iter().position(|&byte| byte == 0)?;
    text.get(zero + 1..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, state: u8, name: &[u8]) -> Vec<u8> {
        let mut told = vec![0xa5; SIZE];
        let mut put = |at: usize, bytes: &[u8]| told[at..at + bytes.len()].copy_from_slice(bytes);
        put(START, &1_700_000_000_u64.to_ne_bytes());
        put(START + 8, &123_456_u32.to_ne_bytes());
        put(STATE, &[state]);
        put(PID, &pid.to_ne_bytes());
        put(NAME, name);
        put(NAME + name.len(), &[0]);
        put(PARENT, &1_u32.to_ne_bytes());
        put(GROUP, &77_u32.to_ne_bytes());
        told
    }

    #[test]
    fn each_process_of_the_answer_is_read_and_what_is_cut_off_is_not() {
        let mut told = process(4242, 2, b"sixteen_letters_");
        told.extend(process(4243, ZOMBIE, b"x"));
        told.extend(process(4244, STOPPED, b"")[..SIZE - 1].iter());
        let entries = entries(&told);
        assert_eq!(entries.len(), 2);
        let expected = Entry {
            pid: 4242,
            parent: 1,
            group: 77,
            session: 0,
            start_time: 1_700_000_000_123_456,
            name: "sixteen_letters_".into(),
            dead: false,
            stopped: false,
        };
        assert_eq!(entries[0], expected);
        assert!(entries[1].dead && entries[1].name == "x");
    }

    fn arguments(count: u32, rest: &[u8]) -> Vec<u8> {
        [&count.to_ne_bytes(), rest].concat()
    }

    #[test]
    fn the_environment_begins_after_the_last_argument_and_ends_at_an_empty_text() {
        let told = arguments(3, b"/bin/sh\0\0\0\0sh\0-c\0MARK=no\0MARK=yes\0B=\0\0ptr_munge=\0");
        assert_eq!(environment(&told), Some(&b"MARK=yes\0B=\0"[..]));
        let uncut = arguments(1, b"/bin/sh\0sh\0A=1\0");
        assert_eq!(environment(&uncut), Some(&b"A=1\0"[..]));
    }

    #[test]
    fn an_empty_argument_is_one_and_an_environment_that_is_withheld_is_empty() {
        let told = arguments(3, b"/x\0\0x\0\0y\0A=1\0\0");
        assert_eq!(environment(&told), Some(&b"A=1\0"[..]));
        assert_eq!(environment(&arguments(1, b"/x\0x\0")), Some(&b""[..]));
        assert_eq!(environment(&arguments(1, b"/x\0x\0\0\0")), Some(&b""[..]));
    }

    #[test]
    fn what_is_cut_short_has_no_environment() {
        for told in [&b""[..], b"\x01", &arguments(2, b"/x\0x\0"), &arguments(u32::MAX, b"/x\0a\0b\0")] {
            assert_eq!(environment(told), None, "{told:?}");
        }
    }
}
