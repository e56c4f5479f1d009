//! The report in a browser: it draws everything without a word on the console, and its numbers are those of the summary.

use std::path::{Path, PathBuf};
use std::process::Command;

use augraft_tests::read;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::Case;

/// The browser, where there is one: `AUGRAFT_CHROMIUM`, else `chromium` on the search path.
fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("AUGRAFT_CHROMIUM").map(PathBuf::from);
    let found = named.or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|folder| folder.join("chromium")).find(|program| program.is_file())
    });
    if found.is_none() {
        eprintln!("skipped the browser: there is no chromium; name it in AUGRAFT_CHROMIUM");
    }
    found
}

/// Puts what the page says of itself into the page, where `--dump-dom` prints it.
const SAY: &str = "<script>setInterval(() => { if (window.reportReady && !document.getElementById('said')) { \
    const said = document.createElement('pre'); said.id = 'said'; said.textContent = JSON.stringify(window.report); \
    document.body.append(said); } }, 50)</script></body>";

/// What the page says of itself, and what the console printed.
fn opened(chromium: &Path, page: &Path) -> (Value, String) {
    let folder = TempDir::new().expect("a folder");
    let copy = folder.path().join("page.html");
    let text = read(page);
    let (before, after) = text.rsplit_once("</body>").expect("a body");
    std::fs::write(&copy, format!("{before}{SAY}{after}")).expect("a page");
    let output = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--enable-logging=stderr",
        ])
        .args(["--virtual-time-budget=20000", "--window-size=1300,2000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("file://{}", copy.display()))
        .output()
        .expect("the browser starts");
    let dom = String::from_utf8_lossy(&output.stdout);
    let said = dom.split_once("<pre id=\"said\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let text =
        said.unwrap_or_else(|| panic!("the report was not ready: {}", String::from_utf8_lossy(&output.stderr))).0;
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let console = String::from_utf8_lossy(&output.stderr).lines().filter(|line| line.contains("CONSOLE")).collect();
    (serde_json::from_str(&text).expect("JSON"), console)
}

/// Every number below a name that charts draw summary numbers under.
fn drawn(value: &Value, into: &mut Vec<f64>) {
    match value {
        Value::Number(number) => into.extend(number.as_f64()),
        Value::Array(items) => {
            for item in items {
                drawn(item, into);
            }
        }
        _ => {}
    }
}

#[test]
fn reports_render_without_console_errors_and_with_the_numbers_of_the_summary() {
    let Some(chromium) = chromium() else { return };
    let case = Case::new();
    for name in ["occlusion", "in_between_by_depth", "ood", "calibration", "cam_wsol"] {
        case.run(name, 4, name, &[]);
        let (report, console) = opened(&chromium, &case.path().join(name).join("report.html"));
        assert_eq!(console, "", "{name}");
        assert!(report["errors"].as_array().is_none_or(Vec::is_empty), "{name}: {}", report["errors"]);
        let summary = case.summary(name);
        let shown = report["summary"]["rows"].as_array().expect("rows");
        assert_eq!(shown.len(), summary.len(), "{name}");
        for (shown, row) in shown.iter().zip(&summary) {
            let cells: Vec<&Value> = row.values().collect();
            assert!(shown.as_array().expect("cells").iter().eq(cells), "{name}: {shown}");
        }
        let known: Vec<f64> = summary
            .iter()
            .flat_map(|row| {
                ["value", "low", "high"].map(|column| row[column].as_str().and_then(|text| text.parse().ok()))
            })
            .flatten()
            .collect();
        let charts = report["charts"].as_array().expect("charts");
        assert!(!charts.is_empty(), "{name}");
        let mut checked = 0;
        for chart in charts {
            let parts = chart["series"].as_array().or(chart["panels"].as_array()).into_iter().flatten();
            for part in parts.filter(|_| ["curve", "heat", "bar"].iter().any(|kind| chart["kind"] == *kind)) {
                let mut numbers = Vec::new();
                for field in ["y", "z", "low", "high"] {
                    drawn(&part[field], &mut numbers);
                }
                checked += numbers.len();
                let stray = numbers.iter().find(|number| !known.contains(number));
                assert_eq!(stray, None, "{name}: {} draws a number that is not in summary.csv", chart["title"]);
            }
        }
        assert!(checked > 10 || name == "ood", "{name}: {checked} numbers were compared");
    }
}
