//! What a peer drew, as numbers of our dice, and the box that our rule makes of them.

use std::collections::BTreeMap;

use augraft::operator::{Alpha, AnyOperator, Draw, Extent, Field, Operator};
use augraft_erase::{Cutout, RandomErasing};
use augraft_geometry::Affine;
use augraft_mix::{CutMix, Mixup, ResizeMix};
use serde_json::Value;

use crate::case::Case;
use crate::scripted::{Script, Scripted};

/// What came of comparing a draw.
pub(crate) enum Compared {
    /// Ours is that of the peer.
    Same,
    /// The peer draws something that ours does not, for this reason.
    LeftOut(&'static str),
    /// A draw differs.
    Broken(String),
}

/// Why a draw has no script.
type Reason = &'static str;

const NO_NUMBERS: Reason = "it does not record what it drew";

/// The drawn columns of one sample.
type Columns = BTreeMap<&'static str, Vec<f64>>;

/// Draws a sample of a case from the peer's numbers.
pub(crate) fn compare_box(case: &Case, operator: &dyn AnyOperator, row: usize) -> Compared {
    let script = match script(case, operator, row) {
        Ok(script) => script,
        Err(reason) => return Compared::LeftOut(reason),
    };
    let ours = draw(operator, &script, case.input.shape);
    if let Some(problem) = script.problem() {
        return Compared::Broken(problem);
    }
    for (name, column) in &case.parameters {
        let theirs = numbers(&column[row]);
        // The partner is not scripted, and the weight of a pasted box may be another than the one that sized it.
        let drawn = name != "partner" && (name != "lam" || case.operator == "mixup");
        if drawn && !near(&ours[&**name], &theirs) {
            return Compared::Broken(format!("{name} is {:?} and not {theirs:?}", ours[&**name]));
        }
    }
    Compared::Same
}

fn near(ours: &[f64], theirs: &[f64]) -> bool {
    ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 1e-6)
}

/// A truth value, a number, or a list of numbers.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Bool(truth) => vec![f64::from(*truth)],
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().expect("a number")],
    }
}

fn draw(operator: &dyn AnyOperator, script: &Script, shape: [usize; 4]) -> Columns {
    match operator.name() {
        "cutmix" => drawn::<CutMix>(operator, script, shape),
        "mixup" => drawn::<Mixup>(operator, script, shape),
        "resizemix" => drawn::<ResizeMix>(operator, script, shape),
        "cutout" => drawn::<Cutout>(operator, script, shape),
        "random_erasing" => drawn::<RandomErasing>(operator, script, shape),
        "affine" => drawn::<Affine>(operator, script, shape),
        name => panic!("nothing is known of the draws of {name}"),
    }
}

fn drawn<T: Operator>(operator: &dyn AnyOperator, script: &Script, shape: [usize; 4]) -> Columns {
    let operator: &T = operator.as_any().downcast_ref().expect("the operator of this name");
    let [_, channels, height, width] = shape.map(|side| side as i64);
    let extent = Extent { channels, height, width, image_height: height, image_width: width };
    let fields = operator.draw(script.dice(), &extent).into_fields();
    let names = <T::Draw<Scripted<'_>> as Draw<Scripted<'_>>>::COLUMNS.iter().map(|column| column.name);
    let column = |field| match field {
        Field::Bool(value) => vec![f64::from(value)],
        Field::Int(value) => vec![value as f64],
        Field::Real(value) => vec![value],
        Field::Ints(values) => values.into_iter().map(|value| value as f64).collect(),
        Field::Grid(_) | Field::Reals(_) => panic!("no peer draws a grid"),
    };
    names.zip(fields.into_iter().map(column)).collect()
}

/// The numbers that sample `row` of a case was drawn from.
fn script(case: &Case, operator: &dyn AnyOperator, row: usize) -> Result<Script, Reason> {
    let drawn = Drawn { case, config: operator.config(), row };
    match operator.name() {
        "cutmix" => drawn.cutmix(),
        "mixup" => drawn.mixup(),
        "resizemix" => Ok(drawn.resizemix()),
        "cutout" => Ok(drawn.cutout()),
        "random_erasing" => drawn.random_erasing(),
        "affine" => Ok(drawn.affine()),
        _ => Err(NO_NUMBERS),
    }
}

/// What a peer drew for one sample.
struct Drawn<'a> {
    case: &'a Case,
    config: Value,
    row: usize,
}

impl Drawn<'_> {
    /// Rows and columns.
    fn sides(&self) -> [f64; 2] {
        [self.case.input.shape[2] as f64, self.case.input.shape[3] as f64]
    }

    /// What is recorded under `name` for this sample: its own where there is a list with one for each, else the only one.
    fn recorded(&self, name: &str) -> Option<Vec<f64>> {
        let value = self.case.drawn.get(name)?;
        let single = if name == "center" { value[0].is_number() } else { value.is_number() };
        if single || matches!(name, "sides" | "corner" | "translate") {
            return Some(numbers(value));
        }
        let (n, recorded) = (self.case.input.shape[0], value.as_array()?.len());
        let row = match self.config["mode"].as_str() {
            // The second half of the batch has the draws of the first, backwards.
            Some("pair") => self.row.min(n - 1 - self.row),
            _ if recorded == 1 => 0,
            _ => self.row,
        };
        Some(numbers(&value[row]))
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.recorded(name).map(|values| values[0])
    }

    /// Whether `name` of the configuration is `value`.
    fn is(&self, name: &str, value: &str) -> bool {
        self.config[name] == value
    }

    fn range(&self, name: &str) -> [f64; 2] {
        [0, 1].map(|end| self.config[name][end].as_f64().expect("a range"))
    }

    fn cutmix(&self) -> Result<Script, Reason> {
        let mut script = Script::default();
        if let Some(apply) = self.number("apply") {
            script.set(0, 0.75 - 0.75 * apply);
        }
        let lam = self.number("lam");
        if let Some(lam) = lam {
            if self.case.config.get("compat").is_none() {
                return Err("its corners in halves of pixels are no rule of ours");
            }
            script.set(1, self.weight(lam));
        }
        let places = self.places(lam.unwrap_or(0.0))?;
        for (axis, place) in places.into_iter().enumerate() {
            script.set(2 + axis as u32, place);
        }
        if let Some(sides) = self.recorded("sides") {
            let [low, high] = [0, 1].map(|end| self.config["size"]["minmax"][end].as_f64().expect("a share"));
            for (axis, (side, drawn)) in self.sides().into_iter().zip(sides).enumerate() {
                let (least, most) = ((side * low).floor(), (side * high).floor());
                script.set(8 + axis as u32, inside(drawn - least, most - least));
            }
        }
        Ok(script)
    }

    /// The numbers that decide where the box lies, for rows and columns.
    fn places(&self, lam: f64) -> Result<[f64; 2], Reason> {
        let sides = self.sides();
        let both = |place: &dyn Fn(usize) -> f64| [place(0), place(1)];
        if let Some(center) = self.recorded("center") {
            if !self.is("center", "uniform_pixel") {
                return Ok(both(&|axis| inside(center[axis], sides[axis])));
            }
            let half = |axis: usize| (sides[axis] * (1.0 - lam).sqrt() / 2.0).floor();
            if (0..2).any(|axis| center[axis] < -half(axis)) {
                return Err("composer draws one center more where the side is odd");
            }
            return Ok(both(&|axis| inside(center[axis] + half(axis), sides[axis] + 2.0 * half(axis))));
        }
        if let (Some(x), Some(y)) = (self.number("x"), self.number("y")) {
            return Ok([y, x]);
        }
        if let (Some(corner), Some(taken)) = (self.recorded("corner"), self.recorded("sides")) {
            let included = f64::from(self.is("box", "exact_odd"));
            return Ok(both(&|axis| inside(corner[axis], sides[axis] - taken[axis] + included)));
        }
        let edges = ["top", "left", "bottom", "right"].map(|edge| self.number(edge));
        let [Some(top), Some(left), Some(bottom), Some(right)] = edges else { return Err(NO_NUMBERS) };
        Ok([top / (sides[0] - (bottom - top)), left / (sides[1] - (right - left))])
    }

    fn mixup(&self) -> Result<Script, Reason> {
        let mut script = Script::default();
        script.set(1, self.weight(self.number("partner_weight").or(self.number("lam")).ok_or(NO_NUMBERS)?));
        Ok(script)
    }

    /// The number that gives this weight, by bisection where it is not the weight itself.
    fn weight(&self, lam: f64) -> f64 {
        let alpha = Alpha::new(self.config["alpha"].as_f64().expect("a number")).expect("in range");
        let Some(table) = alpha.table().filter(|_| !self.is("lam_dist", "uniform")) else { return lam };
        let halve = |[low, high]: [f64; 2], _| {
            let middle = 0.5 * (low + high);
            if table.at(middle) < lam { [middle, high] } else { [low, middle] }
        };
        (0..40).fold([0.0, 1.0], halve)[0]
    }

    fn resizemix(&self) -> Script {
        let mut script = Script::default();
        let drawn = self.number("tau").or(self.number("lam")).expect("a size");
        script.set(1, share(drawn, self.range("scale")));
        let center = self.recorded("center").expect("a center");
        for (axis, side) in self.sides().into_iter().enumerate() {
            script.set(2 + axis as u32, inside(center[axis], side));
        }
        script
    }

    /// The configuration leaves the shift alone open.
    fn affine(&self) -> Script {
        let mut script = Script::default();
        let shift = self.recorded("translate").expect("a shift");
        let [height, width] = self.sides();
        for (axis, side) in [width, height].into_iter().enumerate() {
            let most = self.range("translate")[axis] * side;
            if most > 0.0 {
                script.set(2 + axis as u32, share(shift[axis], [-most, most]));
            }
        }
        script
    }

    fn cutout(&self) -> Script {
        let mut script = Script::default();
        let [height, width] = self.sides();
        let length = match self.config["length"].as_i64() {
            Some(pixels) => pixels as f64,
            None => (self.config["length"].as_f64().expect("a length") * height.min(width)).floor(),
        };
        let beyond = if self.is("placement", "uniform_pixel") { (length / 2.0).floor() } else { 0.0 };
        let centers = self.recorded("center").expect("centers");
        for (k, center) in centers.chunks_exact(2).enumerate() {
            for (axis, side) in [height, width].into_iter().enumerate() {
                script.set_item(k as u32, axis as u32, inside(center[axis] + beyond, side + 2.0 * beyond));
            }
        }
        script
    }

    /// Areas and aspects of the tries of one rectangle, or of the only try of several.
    fn random_erasing(&self) -> Result<Script, Reason> {
        let mut script = Script::default();
        let [height, width] = self.sides();
        let areas = self.recorded("area").expect("areas");
        let aspects = self.recorded("aspect").or_else(|| self.recorded("log_aspect")).expect("aspects");
        let logarithmic = self.case.drawn.contains_key("log_aspect");
        let [holes, retries] =
            [self.case.parameters["top"][self.row].as_array().map_or(1, Vec::len) as u32, self.retries()];
        for (at, (area, aspect)) in areas.iter().zip(&aspects).enumerate() {
            let item = if holes > 1 { at as u32 * retries } else { at as u32 };
            let aspect = if logarithmic { aspect.exp() } else { *aspect };
            let sides = [area * aspect, area / aspect].map(|square| (square / f64::from(holes)).sqrt());
            if sides.iter().any(|side| (side.fract() - 0.5).abs() < 1e-6) {
                return Err("a side of a whole and a half goes to even, and up in ours");
            }
            script.set_item(item, 0, share(area / (height * width), self.range("scale")));
            script.set_item(item, 1, self.aspect(aspect));
            if holes > 1 || at + 1 == areas.len() {
                let hole = if holes > 1 { at } else { 0 };
                for (axis, side) in [height, width].into_iter().enumerate() {
                    script.set_item(item, 2 + axis as u32, self.start(hole, axis, side));
                }
            }
        }
        Ok(script)
    }

    fn retries(&self) -> u32 {
        self.config["retries"].as_u64().expect("a number") as u32
    }

    /// The number that gives this aspect.
    fn aspect(&self, aspect: f64) -> f64 {
        let [low, high] = self.range("ratio");
        match self.config["aspect"].as_str() {
            Some("log") => share(aspect.ln(), [low.ln(), high.ln()]),
            Some("two_sided") if low < 1.0 && aspect < 1.0 => share(aspect, [low, 1.0]) / 2.0,
            Some("two_sided") if low < 1.0 => 0.5 + share(aspect, [1.0, high]) / 2.0,
            _ => share(aspect, [low, high]),
        }
    }

    /// The number that gives the start of a hole, which is drawn as such where nothing else is recorded.
    fn start(&self, hole: usize, axis: usize, side: f64) -> f64 {
        if let Some(place) = self.number(["y", "x"][axis]) {
            return place;
        }
        let edge = |names: [&str; 2]| numbers(&self.case.parameters[names[axis]][self.row])[hole];
        let (start, end) = (edge(["top", "left"]), edge(["bottom", "right"]));
        inside(start, side - (end - start) + 1.0)
    }
}

/// The middle of the numbers that give `drawn`, an integer of `0..count`.
fn inside(drawn: f64, count: f64) -> f64 {
    (drawn + 0.5) / count
}

/// Where `drawn` lies in a range, 0 to 1.
fn share(drawn: f64, [low, high]: [f64; 2]) -> f64 {
    (drawn - low) / (high - low)
}
