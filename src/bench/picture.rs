//! The figures as people would rather see them.

use std::error::Error;

use plotters::{coord::Shift, prelude::*};

use super::{
    Report,
    report::{Open, Throughput},
    watcher::TICK_MS,
};

type Drawn = Result<String, Box<dyn Error + Send + Sync>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const SIZE: (u32, u32) = (960, 480);
const FONT: &str = "sans-serif";
const OURS: RGBColor = RGBColor(31, 90, 166);
const BARE: RGBColor = RGBColor(150, 150, 150);
/// Marked on the axis of percentiles: how many nines.
const NINES_MAX: f64 = 5.0;

/// Latency over the percentile; each step to the right leaves a tenth of what is left.
pub(super) fn latency(open: &Open) -> Drawn {
    draw(|area| {
        // No more nines than there are messages for.
        let nines = (open.messages as f64).log10().clamp(1.0, NINES_MAX);
        let top = open.max_ms * 1.08;
        let caption = format!("From due to readable verdict, {} messages/s", open.rate);
        let mut chart = ChartBuilder::on(area)
            .caption(caption, (FONT, 20))
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..nines, 0.0..top)?;
        chart
            .configure_mesh()
            .x_desc("percentile")
            .y_desc("milliseconds")
            .x_labels(nines.floor() as usize + 1)
            .x_label_formatter(&|nines| {
                format!("{:.*} %", (nines - 2.0).max(0.0).round() as usize, 100.0 - 10_f64.powf(2.0 - nines))
            })
            .light_line_style(TRANSPARENT)
            .draw()?;
        let points = (0..=400).map(|step| {
            let at = nines * f64::from(step) / 400.0;
            (at, open.histogram_us.value_at_quantile(1.0 - 10_f64.powf(-at)) as f64 / 1e3)
        });
        chart.draw_series(LineSeries::new(points, OURS.stroke_width(2)))?;
        for (share, ms) in [(0.5_f64, open.p50_ms), (0.99, open.p99_ms), (0.999, open.p999_ms)] {
            let at = -(1.0 - share).log10();
            if at > nines {
                continue;
            }
            let label = format!("p{} {ms:.1} ms", share * 100.0);
            let mark = EmptyElement::at((at, ms))
                + Circle::new((0, 0), 4, OURS.filled())
                + Text::new(label, (6, -18), (FONT, 15));
            chart.draw_series([mark])?;
        }
        Ok(())
    })
}

/// Verdicts a second over the time since the first, of each drain and each bare loop.
pub(super) fn throughput(report: &Report) -> Drawn {
    draw(|area| {
        let seconds = |ticks: usize| ticks as f64 * TICK_MS.as_secs_f64();
        let all = || report.drains.iter().chain(&report.limits);
        let longest = all().map(|each| each.ticks.len()).max().unwrap_or(1);
        let highest = all().flat_map(smooth).map(|(_, rate)| rate).fold(1.0, f64::max);
        let mut chart = ChartBuilder::on(area)
            .caption("Verdicts a second that could be read", (FONT, 20))
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(84)
            .build_cartesian_2d(0.0..seconds(longest), 0.0..highest * 1.1)?;
        chart
            .configure_mesh()
            .x_desc("seconds since the first verdict")
            .y_desc("verdicts a second")
            .y_label_formatter(&|rate| format!("{:.0} k", rate / 1e3))
            .light_line_style(TRANSPARENT)
            .draw()?;
        for (name, colour, drains) in [("assize", OURS, &report.drains), ("bare loop", BARE, &report.limits)] {
            for (index, drain) in drains.iter().enumerate() {
                let line = chart.draw_series(LineSeries::new(smooth(drain), colour.stroke_width(2)))?;
                if index == 0 {
                    line.label(name)
                        .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
                }
            }
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .label_font((FONT, 15))
            .draw()?;
        Ok(())
    })
}

/// Over a second each: transactions come in jumps. The last, which is not full, is left out.
fn smooth(drain: &Throughput) -> Vec<(f64, f64)> {
    let wide = (1.0 / TICK_MS.as_secs_f64()) as usize;
    let full = &drain.ticks[..drain.ticks.len().saturating_sub(1)];
    full.windows(wide)
        .enumerate()
        .map(|(first, window)| ((first + wide) as f64 * TICK_MS.as_secs_f64(), window.iter().sum::<u64>() as f64))
        .collect()
}

fn draw(what: impl FnOnce(&Area<'_>) -> Result<(), Box<dyn Error + Send + Sync>>) -> Drawn {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        what(&area)?;
        area.present()?;
    }
    Ok(svg)
}
