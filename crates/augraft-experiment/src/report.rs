//! `report.html`: one file with everything in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ndarray::Array2;
use serde_json::{Value, json};

use crate::charts::{Table, chart};
use crate::metrics::{auroc, auroc_interval, ece, normalize, reliability, resize_bilinear, roc};
use crate::plan::ExperimentPlan;
use crate::results::Results;
use crate::spec::{ChartFields, Only, Score, StripFields};
use crate::summary::{rounded, score_of};
use crate::table::{Map, Shot};

const PAGE: &str = include_str!("report/page.html");
const STYLE: &str = include_str!("report/page.css");
const SCRIPT: &str = include_str!("report/page.js");
const LIBRARY: &str = include_str!("../assets/echarts.min.js");

/// Points of a ROC curve beyond which it is thinned.
const MOST_POINTS: usize = 400;
/// Pictures in one strip.
const MOST_PICTURES: usize = 12;
/// Panels of a reliability diagram.
const MOST_PANELS: usize = 24;

/// The page of a report.
///
/// # Errors
/// When the data cannot be written as JSON.
pub(crate) fn page(title: &str, data: &Value) -> Result<String, serde_json::Error> {
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    let data = serde_json::to_string(data)?.replace('<', "\\u003c");
    let fill = |name: &str| match name {
        "title" => title.as_str(),
        "style" => STYLE,
        "library" => LIBRARY,
        "script" => SCRIPT,
        "data" => data.as_str(),
        _ => "",
    };
    let mut text = String::with_capacity(LIBRARY.len() + data.len() + 65_536);
    let mut rest = PAGE;
    // In one pass: what is filled in may hold braces of its own.
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, behind)) = after.split_once("}}") else { break };
        text.push_str(before);
        text.push_str(fill(name.trim()));
        rest = behind;
    }
    text.push_str(rest);
    Ok(text)
}

/// All charts of a plan.
pub(crate) fn charts(plan: &ExperimentPlan, results: &Results, table: &Table) -> Vec<Value> {
    let one = |fields: &ChartFields| match fields {
        ChartFields::Reliability(only) => reliability_of(plan, results, only),
        ChartFields::Roc(score) => roc_of(plan, results, score.score),
        ChartFields::Strip(strip) => strip_of(plan, results, *strip),
        of_table => chart(table, of_table),
    };
    plan.charts.iter().filter_map(one).collect()
}

fn reliability_of(plan: &ExperimentPlan, results: &Results, only: &Only) -> Option<Value> {
    let bins = plan.metrics.iter().find_map(|metric| match metric {
        crate::metric::Metric::Ece(bins) => Some(*bins),
        _ => None,
    });
    let panel = |(number, setting): (usize, &crate::plan::Setting)| {
        let wanted = only.of.is_empty() || only.of.contains(&setting.intervention);
        let rows: Vec<_> = results.of(0, number).iter().filter(|row| row.label_a >= 0).collect();
        if !wanted || rows.is_empty() {
            return None;
        }
        let confidence: Vec<f64> = rows.iter().map(|row| f64::from(row.confidence)).collect();
        let credit: Vec<f64> = rows.iter().map(|row| f64::from(row.credit)).collect();
        let found = reliability(&confidence, &credit, bins.unwrap_or(15));
        let bin = |bin: &crate::metrics::Bin| {
            json!({
                "low": bin.low, "high": bin.high, "n": bin.n,
                "confidence": rounded(bin.confidence), "accuracy": rounded(bin.accuracy),
            })
        };
        let words = plan.words(setting);
        let site = if setting.place.is_some_and(|place| place > 0) { plan.site_name(setting) } else { "" };
        let name = [setting.intervention.as_str(), site, &words]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>();
        Some(
            json!({ "name": name.join(", "), "ece": rounded(ece(&found)), "bins": found.iter().map(bin).collect::<Vec<_>>() }),
        )
    };
    let panels: Vec<Value> = plan.settings.iter().enumerate().filter_map(panel).take(MOST_PANELS).collect();
    (!panels.is_empty()).then(|| json!({ "kind": "reliability", "title": "Reliability", "panels": panels }))
}

fn roc_of(plan: &ExperimentPlan, results: &Results, score: Score) -> Option<Value> {
    let mut series = Vec::new();
    for (set, of) in plan.sets.iter().enumerate().skip(1) {
        for (number, setting) in plan.settings.iter().enumerate() {
            let scores =
                |set: usize| results.of(set, number).iter().map(|row| score_of(score, row)).collect::<Vec<f64>>();
            let (inside, outside) = (scores(0), scores(set));
            if inside.is_empty() || outside.is_empty() {
                continue;
            }
            let named = plan.settings.iter().filter(|other| other.intervention == setting.intervention).count() > 1;
            let site = &if named { plan.site_name(setting).to_owned() } else { String::new() };
            let words = plan.words(setting);
            let parts = [of.name.as_str(), &setting.intervention, site, &words];
            let name = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
            let curve = roc(&inside, &outside);
            let step = curve.fpr.len().div_ceil(MOST_POINTS).max(1);
            let last = curve.fpr.len().saturating_sub(1);
            let thin = |values: &[f64]| {
                let kept = values.iter().enumerate().filter(|(at, _)| at % step == 0 || *at == last);
                kept.map(|(_, value)| rounded(*value)).collect::<Vec<_>>()
            };
            let [low, high] = auroc_interval(&inside, &outside);
            series.push(json!({
                "name": name,
                "fpr": thin(&curve.fpr), "tpr": thin(&curve.tpr),
                "auroc": rounded(auroc(&inside, &outside)), "low": rounded(low), "high": rounded(high),
            }));
        }
    }
    let by = match score {
        Score::Msp => "largest probability",
        Score::Energy => "energy",
        Score::MaxLogit => "largest logit",
    };
    let note = "positive class: in-distribution";
    (!series.is_empty())
        .then(|| json!({ "kind": "roc", "title": format!("ROC by {by}"), "note": note, "series": series }))
}

fn strip_of(plan: &ExperimentPlan, results: &Results, fields: StripFields) -> Option<Value> {
    let row = |unit: i64| {
        let shots: Vec<&Shot> = results.shots.iter().filter(|shot| shot.unit == unit).collect();
        let step = shots.len().div_ceil(MOST_PICTURES).max(1);
        let mut images = Vec::new();
        for (at, shot) in shots.iter().enumerate() {
            let setting = &plan.settings[shot.setting as usize];
            if at % step == 0 || plan.saliency.is_some() {
                let words = plan.words(setting);
                let caption = if words.is_empty() {
                    setting.intervention.clone()
                } else {
                    format!("{}, {words}", setting.intervention)
                };
                images.push(json!({ "src": source(shot.size, &shot.pixels), "caption": caption }));
            }
            let Some(saliency) = &plan.saliency else { continue };
            for map in results.maps.iter().filter(|map| map.unit == unit && map.setting == shot.setting) {
                let method = saliency.methods[map.method as usize].name();
                let class = plan.classes.get(map.class as usize).map_or("", String::as_str);
                images.push(
                    json!({ "src": source(shot.size, &overlaid(shot, map)), "caption": format!("{method}: {class}") }),
                );
            }
        }
        let of = results.of(0, 0).iter().find(|row| row.unit == unit)?;
        let class = |class: i64| plan.classes.get(class as usize).cloned();
        let caption = match (class(of.label_a), class(of.label_b)) {
            (Some(a), Some(b)) => format!("{a} and {b}"),
            (Some(a), None) => a,
            _ => format!("image {}", of.image),
        };
        (!images.is_empty()).then(|| json!({ "caption": caption, "images": images }))
    };
    let rows: Vec<Value> = (0..fields.units as i64).filter_map(row).collect();
    (!rows.is_empty()).then(|| json!({ "kind": "strip", "title": "Images", "rows": rows }))
}

/// An image with a map over it, from transparent blue to red.
fn overlaid(shot: &Shot, map: &Map) -> Vec<u8> {
    let heat: Array2<f32> = normalize(resize_bilinear(map.values.view(), shot.size).view());
    let color = |heat: f32| {
        // Red, yellow, green and blue bumps around 1, 3/4, 1/2 and 1/4, as the usual "jet".
        let bump = |center: f32| (1.5 - (4.0 * heat - center).abs()).clamp(0.0, 1.0);
        [bump(3.0), bump(2.0), bump(1.0)]
    };
    let pixel = |(pixel, heat): (&[u8], &f32)| {
        let [red, green, blue] = color(*heat);
        let mix = |value: u8, color: f32| (f32::from(value) * 0.55 + 255.0 * color * 0.45).round() as u8;
        [mix(pixel[0], red), mix(pixel[1], green), mix(pixel[2], blue)]
    };
    shot.pixels.chunks_exact(3).zip(&heat).flat_map(pixel).collect()
}

/// A picture as a PNG in an address; empty where it cannot be encoded.
fn source([height, width]: [usize; 2], pixels: &[u8]) -> String {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(pixels));
    if written.is_err() { String::new() } else { format!("data:image/png;base64,{}", STANDARD.encode(bytes)) }
}
