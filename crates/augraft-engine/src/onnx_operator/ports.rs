//! What goes into the model of an operator, and what comes out.

use augraft_onnx::{DataType, Dim, Model};
use augraft_operator::{Element, Kind};
use augraft_pipeline::{Distribution, OperatorHeader, Report};

/// What goes into the model, and what comes out.
pub(super) struct Ports {
    /// Name of each input, and what it gets.
    pub(super) inputs: Vec<(String, String)>,
    pub(super) element: Element,
    /// Channels, height and width, where the model fixes them.
    pub(super) sides: [Option<u64>; 3],
    pub(super) output: usize,
}

/// The kind of the column of a parameter; none where nothing is drawn.
pub(super) fn kind_of(distribution: Distribution) -> Option<Kind> {
    match distribution {
        Distribution::Uniform(..) | Distribution::Beta(..) => Some(Kind::Real),
        Distribution::Integer(..) | Distribution::Partner(_) => Some(Kind::Int),
        Distribution::Chance(_) => Some(Kind::Bool),
        Distribution::Constant(..) => None,
    }
}

/// Finds what each input of the model gets, and checks that it fits.
pub(super) fn ports(header: &OperatorHeader, model: &Model) -> Result<Ports, Report> {
    let inputs = model.inputs();
    let fault = |pointer: &str, message: String| Err(header.problem(pointer, "bad-model", message, None));
    if let Some((unknown, _)) = header.inputs.iter().find(|(name, _)| inputs.iter().all(|port| port.name != *name)) {
        return fault("/inputs", format!("the model has no input `{unknown}`"));
    }
    let mut named = Vec::new();
    let mut images = None;
    for port in inputs {
        let source =
            header.inputs.iter().find(|(name, _)| *name == port.name).map_or(&port.name, |(_, source)| source).clone();
        let parameter = header.parameters.iter().find(|known| known.name == source);
        let dtype = DataType::from_proto(port.dtype);
        let wanted = match (source.as_str(), parameter) {
            ("images", _) => None,
            (_, Some(known)) => Some(kind_of(known.distribution).map_or(DataType::F32, Kind::dtype)),
            (name, None) => {
                return fault(
                    "/model",
                    format!("the input `{}` of the model is given nothing: there is no parameter `{name}`", port.name),
                );
            }
        };
        let is_images = source == "images";
        if port.shape.as_ref().is_some_and(|shape| shape.len() != if is_images { 4 } else { 1 }) {
            let wanted = if is_images { "images N,C,H,W" } else { "one number per sample, [N]" };
            return fault("/model", format!("the input `{}` of the model must take {wanted}", port.name));
        }
        if let Some([Dim::Fixed(size), ..]) = port.shape.as_deref() {
            let message = format!("the input `{}` of the model declares a batch of {size}; leave it free", port.name);
            return fault("/model", message);
        }
        match (wanted, dtype) {
            (None, Some(DataType::F32)) => images = Some((Element::F32, port.shape)),
            (None, Some(DataType::U8)) => images = Some((Element::U8, port.shape)),
            (Some(wanted), Some(dtype)) if wanted == dtype => {}
            (wanted, dtype) => {
                let wanted = wanted.map_or("f32 or u8".to_owned(), |wanted| format!("{wanted:?}").to_lowercase());
                let dtype = dtype.map_or("another type".to_owned(), |dtype| format!("{dtype:?}").to_lowercase());
                return fault(
                    "/model",
                    format!("the input `{}` of the model takes {dtype}, but gets {wanted}", port.name),
                );
            }
        }
        named.push((port.name, source));
    }
    let Some((element, shape)) = images else {
        return fault("/model", "no input of the model gets the images".to_owned());
    };
    let is_used = |name: &str| {
        named.iter().any(|(_, source)| source == name) || header.blend.iter().flatten().any(|used| used == name)
    };
    if let Some(unused) = header.parameters.iter().find(|known| !is_used(&known.name)) {
        return fault(&format!("/parameters/{}", unused.name), format!("no input of the model gets `{}`", unused.name));
    }
    let side = |axis: usize| match shape.as_ref().and_then(|shape| shape.get(axis)) {
        Some(Dim::Fixed(side)) => Some(*side),
        _ => None,
    };
    let outputs = model.outputs();
    let named_output = header.output.as_deref().unwrap_or("images");
    let output = outputs.iter().position(|port| port.name == named_output);
    let output = output.or_else(|| (header.output.is_none() && outputs.len() == 1).then_some(0));
    let Some(output) = output else {
        return fault("/output", format!("the model has no output `{named_output}`"));
    };
    Ok(Ports { inputs: named, element, sides: [side(1), side(2), side(3)], output })
}
