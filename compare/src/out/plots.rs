//! The plots: bars where there is one case, lines where there is a scale of them.

use plotters::coord::ranged1d::IntoSegmentedCoord as _;
use plotters::prelude::*;

use super::number;
use crate::document::{Row, Table};

type Failed = Box<dyn std::error::Error + Send + Sync>;

const WIDTH: u32 = 760;
const OURS: RGBColor = RGBColor(0x0b, 0x6e, 0x99);
const THEIRS: RGBColor = RGBColor(0xa8, 0xa2, 0x9a);
const LINES: [RGBColor; 8] = [
    RGBColor(0xa8, 0xa2, 0x9a),
    RGBColor(0xd9, 0x73, 0x0d),
    RGBColor(0x9b, 0x59, 0x9b),
    RGBColor(0xc2, 0x3b, 0x22),
    RGBColor(0x4d, 0x7c, 0x4d),
    RGBColor(0x7a, 0x5c, 0x3e),
    RGBColor(0xd4, 0xa5, 0x37),
    RGBColor(0x5b, 0x6b, 0x7b),
];

/// The plot of a table as SVG; `None` where there is too little to plot.
pub(crate) fn of(table: &Table) -> Result<Option<String>, Failed> {
    let found: Vec<&Row> = table.rows.iter().filter(|row| row.found.is_some()).collect();
    let cases = found.iter().filter_map(|row| row.x).fold(Vec::new(), |mut cases: Vec<f64>, x| {
        if !cases.contains(&x) {
            cases.push(x);
        }
        cases
    });
    let mut svg = String::new();
    match (found.len(), cases.len()) {
        (0 | 1, _) => return Ok(None),
        (_, 0) => bars(&mut svg, table, &found)?,
        // One case of a scale is not a line.
        (_, 1) => return Ok(None),
        _ => lines(&mut svg, table, &found, &cases)?,
    }
    Ok(Some(svg))
}

fn median(row: &Row) -> f64 {
    row.found.map_or(0.0, |found| found.median)
}

fn bars(svg: &mut String, table: &Table, rows: &[&Row]) -> Result<(), Failed> {
    let height = 70 + 34 * u32::try_from(rows.len())?;
    let root = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let values = rows.iter().map(|row| row.found.map_or(0.0, |found| found.upper_quartile));
    let (least, most) =
        (rows.iter().map(|row| median(row)).fold(f64::MAX, f64::min), values.fold(0.0, f64::max));
    // What is slower by orders would leave nothing to be seen of the others.
    let cut = if most > 12.0 * least { 6.0 * least } else { most } * 1.2;
    let mut chart = ChartBuilder::on(&root)
        .caption(plain(&table.title), ("sans-serif", 17))
        .margin(10)
        .x_label_area_size(24)
        .y_label_area_size(190)
        .build_cartesian_2d(0.0..cut, (0..rows.len() - 1).into_segmented())?;
    let names = |at: &SegmentValue<usize>| match at {
        SegmentValue::CenterOf(place) if *place < rows.len() => rows[rows.len() - 1 - *place].who.clone(),
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(rows.len())
        .y_label_formatter(&names)
        .x_labels(6)
        .x_label_formatter(&|value| number(*value, table.unit))
        .label_style(("sans-serif", 13))
        .draw()?;
    for (place, row) in rows.iter().rev().enumerate() {
        let Some(found) = row.found else { continue };
        let color = if row.who.starts_with("spawner") { OURS } else { THEIRS };
        let corner =
            [(0.0, SegmentValue::Exact(place)), (found.median.min(cut), SegmentValue::Exact(place + 1))];
        let mut bar = Rectangle::new(corner, color.filled());
        bar.set_margin(5, 5, 0, 0);
        chart.draw_series([bar])?;
        let middle = || SegmentValue::CenterOf(place);
        if found.median < cut {
            let whisker = vec![(found.lower_quartile, middle()), (found.upper_quartile.min(cut), middle())];
            chart.draw_series([PathElement::new(whisker, BLACK.stroke_width(1))])?;
        }
        let at = if found.median < cut { found.upper_quartile.min(0.86 * cut) } else { 0.86 * cut };
        let label =
            Text::new(format!("  {}", number(found.median, table.unit)), (at, middle()), ("sans-serif", 12));
        chart.draw_series([label])?;
    }
    root.present()?;
    Ok(())
}

fn lines(svg: &mut String, table: &Table, rows: &[&Row], cases: &[f64]) -> Result<(), Failed> {
    let root = SVGBackend::with_string(svg, (WIDTH, 420)).into_drawing_area();
    root.fill(&WHITE)?;
    let values = || rows.iter().map(|row| median(row)).filter(|value| *value > 0.0);
    let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(0.0, f64::max));
    if high <= 0.0 {
        return Ok(());
    }
    let (first, last) =
        (cases.iter().copied().fold(f64::MAX, f64::min), cases.iter().copied().fold(0.0, f64::max));
    // The names stand to the right of the last case.
    let room = (last / first).powf(0.4);
    let mut chart = ChartBuilder::on(&root)
        .caption(plain(&table.title), ("sans-serif", 17))
        .margin(10)
        .x_label_area_size(28)
        .y_label_area_size(64)
        .build_cartesian_2d((first..last * room).log_scale(), (low / 1.5..high * 1.5).log_scale())?;
    let label = |x: &f64| {
        let row = rows.iter().find(|row| row.x.is_some_and(|own| (own - x).abs() < 1e-9 * x.abs()));
        match row {
            Some(row) => row.case.clone(),
            None if *x < last => super::digits(*x),
            None => String::new(),
        }
    };
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_label_formatter(&label)
        .y_label_formatter(&|value| number(*value, table.unit))
        .label_style(("sans-serif", 12))
        .draw()?;
    let mut names: Vec<&str> = rows.iter().map(|row| row.who.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut theirs = 0;
    let mut ours = 0;
    for name in names {
        let style = if name.starts_with("spawner") {
            ours += 1;
            // Shades of one colour.
            OURS.mix(1.2 - 0.25 * f64::from(ours)).stroke_width(3)
        } else {
            theirs += 1;
            LINES[(theirs - 1) % LINES.len()].stroke_width(2)
        };
        let of_name = || rows.iter().filter(|row| row.who == name && median(row) > 0.0);
        let points: Vec<(f64, f64)> = of_name().filter_map(|row| Some((row.x?, median(row)))).collect();
        chart
            .draw_series(LineSeries::new(points, style).point_size(3))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::MiddleRight)
        .background_style(WHITE.mix(0.85))
        .label_font(("sans-serif", 12))
        .draw()?;
    root.present()?;
    Ok(())
}

/// A title without the marks of Markdown.
fn plain(text: &str) -> String {
    text.replace('`', "")
}
