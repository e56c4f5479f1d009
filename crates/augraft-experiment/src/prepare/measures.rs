//! Metrics and charts, and what each needs.

use augraft_pipeline::Answer;

use super::SECTION;
use crate::metric::{MapMetric, Metric};
use crate::plan::{Pairs, Parts, Problems};
use crate::spec::{ChartFields, ExperimentFields, MetricFields};

pub(super) fn metrics(
    parts: &Parts<'_>,
    fields: &ExperimentFields,
    pairs: Option<Pairs>,
    variables: &[String],
    problems: &mut Problems,
) -> Vec<Metric> {
    let spec = parts.spec;
    let mut metrics = Vec::new();
    for (number, written) in fields.metrics.iter().enumerate() {
        let place = format!("{SECTION}/metrics/{number}");
        let Some(metric) = problems.keep(Metric::read(spec, &place, written)) else { continue };
        let subject = metric.id();
        let mut error = |message: String, help: &str| {
            let at =
                if matches!(written, MetricFields::Name(_)) { place.clone() } else { format!("{place}/{subject}") };
            problems.push(spec.problem(&at, "bad-metric", message, Some(help)));
        };
        if metric.needs_pairs() && pairs.is_none() {
            error(
                format!("`{subject}` compares two classes, but every unit is one image"),
                "say `over: { pairs: 1000 }`",
            );
        } else if metric.needs_labels() && !parts.dataset.has_labels() {
            error(format!("`{subject}` needs to know the class of an image"), "use `folder:` or `shards:` with labels");
        } else if metric.needs_logits() && parts.facts.answer.0 != Answer::Logits {
            let (answer, why) = &parts.facts.answer;
            let message = format!("`{subject}` needs logits, and the model answers with {}: {why}", answer.describe());
            error(message, "cut the softmax off the model, or say `model.output: logits` where it gives logits");
        } else if matches!(metric, Metric::Detection(..)) && fields.sets.is_empty() {
            let help = "add `sets`, such as `- { name: noise, noise: { kind: uniform, count: 100, size: 224 } }`";
            error(format!("`{subject}` tells the data from other sets, and there is only one class of images"), help);
        } else if let Metric::AreaBetween { x, .. } | Metric::Crossing { x } = &metric
            && !variables.contains(x)
        {
            error(format!("`{subject}` is over `{x}`, which no `sweep` has"), "name a variable of a sweep");
        } else if matches!(metric, Metric::AreaBetween { .. }) && fields.interventions.len() != 2 {
            error(format!("`{subject}` needs two interventions"), "write two, with one sweep");
        }
        if metrics.iter().any(|known: &Metric| known.id() == subject) {
            error(format!("`{subject}` is there twice"), "leave one out");
        }
        if let Metric::AreaBetween { metric: of, .. } = &metric
            && !fields
                .metrics
                .iter()
                .any(|other| matches!(other, MetricFields::Name(name) if name == of && is_rate(name)))
        {
            let help = "name one that `metrics` has, such as top1_error";
            error(format!("`{subject}` is between curves of a rate, and `{of}` is none of the metrics"), help);
        }
        if needs_boxes(&metric) && fields.saliency.as_ref().is_some_and(|saliency| saliency.boxes.is_none()) {
            error(
                format!("`{subject}` compares with boxes, and there are none"),
                "name a file of boxes in `saliency.boxes`",
            );
        }
        metrics.push(metric);
    }
    metrics
}

/// Whether a metric is a share of the rows.
fn is_rate(name: &str) -> bool {
    ["top1", "top1_error", "top5", "top5_error", "neither_error", "flip_rate"].contains(&name)
}

/// Whether a metric compares maps with boxes.
fn needs_boxes(metric: &Metric) -> bool {
    matches!(metric, Metric::Map(measure) if *measure != MapMetric::EnergyInRegion)
}

/// Checks that charts are of metrics, variables and interventions that there are.
pub(super) fn check_charts(
    parts: &Parts<'_>,
    fields: &ExperimentFields,
    metrics: &[Metric],
    variables: &[String],
    problems: &mut Problems,
) {
    let ids: Vec<String> = metrics.iter().map(Metric::id).collect();
    let named: Vec<&String> = fields.interventions.iter().map(|intervention| &intervention.name).collect();
    for (number, chart) in fields.charts.iter().enumerate() {
        let mut unknown = |field: &str, kind: &str, name: &str, known: String| {
            let place = format!("{SECTION}/charts/{number}/{}/{field}", chart.name());
            let message = format!("there is no {kind} `{name}`");
            problems.push(parts.spec.problem(&place, "bad-chart", message, Some(&format!("there are {known}"))));
        };
        let (metric, axes, of) = match chart {
            ChartFields::Curve(curve) => (Some(("y", &curve.y)), vec![("x", &curve.x)], &curve.of[..]),
            ChartFields::Heat(heat) => (Some(("z", &heat.z)), vec![("x", &heat.x), ("y", &heat.y)], &heat.of[..]),
            ChartFields::Bar(bar) => (Some(("y", &bar.y)), Vec::new(), &[][..]),
            ChartFields::Reliability(only) => (None, Vec::new(), &only.of[..]),
            ChartFields::Roc(_) | ChartFields::Strip(_) => (None, Vec::new(), &[][..]),
        };
        if let Some((field, name)) = metric.filter(|(_, name)| !ids.contains(name)) {
            unknown(field, "metric", name, ids.join(", "));
        }
        for (field, name) in axes {
            let is_mean = name == "lam_eff" && ids.iter().any(|id| id == "lam_eff");
            if !variables.contains(name) && !is_mean && name != "site" {
                unknown(
                    field,
                    "variable",
                    name,
                    format!("{} (and `lam_eff`, where it is a metric)", variables.join(", ")),
                );
            }
        }
        for name in of.iter().filter(|name| !named.contains(name) && *name != "clean") {
            unknown("of", "intervention", name, named.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "));
        }
        if matches!(chart, ChartFields::Roc(_)) && fields.sets.is_empty() {
            let help = "add `sets`";
            let place = format!("{SECTION}/charts/{number}");
            problems.push(parts.spec.problem(
                &place,
                "bad-chart",
                "`roc` tells the data from other sets, and there are none",
                Some(help),
            ));
        }
    }
}
