//! Tensors of a model as maps N,C,H,W, natively and as nodes.

use augraft_onnx::{DataType, Tensor, Value};
use augraft_pipeline::{MapLayout, Tokens};
use ndarray::{Array4, ArrayD, Axis, Ix2, Ix3, Ix4, s};

/// The map that a tensor of floats or bytes is; none when it does not have the axes of its layout.
#[must_use]
pub fn to_map(tensor: &Tensor, layout: MapLayout) -> Option<Array4<f32>> {
    let values = match tensor {
        Tensor::U8(bytes) => bytes.mapv(f32::from),
        floats => floats.to_f32()?,
    };
    let map = match layout {
        MapLayout::Nchw => values.into_dimensionality::<Ix4>().ok()?,
        MapLayout::Nhwc => values.into_dimensionality::<Ix4>().ok()?.permuted_axes([0, 3, 1, 2]),
        MapLayout::Vector => values.into_dimensionality::<Ix2>().ok()?.insert_axis(Axis(2)).insert_axis(Axis(3)),
        MapLayout::Tokens(tokens) => {
            let [height, width] = grid(tokens);
            let class = tokens.class.get() as usize;
            let rows = values.into_dimensionality::<Ix3>().ok()?;
            let (n, count, channels) = rows.dim();
            let cells = (count == class + height * width).then(|| rows.slice(s![.., class.., ..]))?;
            let map = cells.permuted_axes([0, 2, 1]).as_standard_layout().into_owned();
            return map.into_shape_with_order([n, channels, height, width]).ok();
        }
    };
    Some(map.as_standard_layout().into_owned())
}

/// The tensor with a map in it, rounded to the type and with the class tokens of the tensor `before`; none when they do not fit.
#[must_use]
pub fn of_map(map: Array4<f32>, before: &Tensor, layout: MapLayout) -> Option<Tensor> {
    let values: ArrayD<f32> = match layout {
        MapLayout::Nchw => map.into_dyn(),
        MapLayout::Nhwc => map.permuted_axes([0, 2, 3, 1]).as_standard_layout().into_owned().into_dyn(),
        MapLayout::Vector => map.index_axis_move(Axis(3), 0).index_axis_move(Axis(2), 0).into_dyn(),
        MapLayout::Tokens(tokens) => {
            let (class, [_, width]) = (tokens.class.get() as usize, grid(tokens));
            let mut rows = before.to_f32()?.into_dimensionality::<Ix3>().ok()?;
            if rows.dim().1 != class + map.dim().2 * width || rows.dim().0 != map.dim().0 {
                return None;
            }
            for ((n, channel, y, x), value) in map.indexed_iter() {
                rows[[n, class + y * width + x, channel]] = *value;
            }
            rows.into_dyn()
        }
    };
    match before.dtype() {
        DataType::U8 => Some(Tensor::U8(values.mapv(|value| value.round().clamp(0.0, 255.0) as u8))),
        dtype => Tensor::of_f32(values, dtype),
    }
}

fn grid(tokens: Tokens) -> [usize; 2] {
    tokens.grid.map(|side| side.get() as usize)
}

/// Nodes that make a map N,C,H,W of single precision of a tensor.
pub(crate) fn map_nodes(value: Value<'_>, layout: MapLayout) -> Value<'_> {
    let value = if value.dtype() == DataType::F32 { value } else { value.cast(DataType::F32) };
    match layout {
        MapLayout::Nchw => value,
        MapLayout::Nhwc => value.transpose(&[0, 3, 1, 2]),
        MapLayout::Vector => value.unsqueeze(&[2, 3]),
        MapLayout::Tokens(tokens) => {
            let [height, width] = grid(tokens).map(|side| side as i64);
            let class = i64::from(tokens.class.get());
            let cells = value.slice(1, class, class + height * width).transpose(&[0, 2, 1]);
            cells.reshape(&[0, 0, height, width])
        }
    }
}

/// Nodes that put a map into the tensor `before`.
pub(crate) fn unmap_nodes<'g>(map: Value<'g>, before: Value<'g>, layout: MapLayout) -> Value<'g> {
    let to = before.dtype();
    let map = if to == DataType::F32 { map } else { map.cast(to) };
    match layout {
        MapLayout::Nchw => map,
        MapLayout::Nhwc => map.transpose(&[0, 2, 3, 1]),
        MapLayout::Vector => map.reshape(&[0, -1]),
        MapLayout::Tokens(tokens) => {
            let cells = map.reshape(&[0, 0, -1]).transpose(&[0, 2, 1]);
            match i64::from(tokens.class.get()) {
                0 => cells,
                class => map.graph().concat(&[before.slice(1, 0, class), cells], 1),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::ArrayD;

    use super::*;

    #[test]
    fn a_map_goes_back_to_where_it_came_from() {
        let tokens: Tokens = serde_json::from_str(r#"{"grid": [2, 3], "class": 1}"#).expect("tokens");
        for (layout, shape) in [
            (MapLayout::Nchw, &[2, 5, 2, 3][..]),
            (MapLayout::Nhwc, &[2, 2, 3, 5]),
            (MapLayout::Tokens(tokens), &[2, 7, 5]),
            (MapLayout::Vector, &[2, 5]),
        ] {
            let mut next = 0f32;
            let values = ArrayD::from_shape_simple_fn(shape, || {
                next += 0.25;
                next
            });
            for dtype in [DataType::F32, DataType::F16] {
                let tensor = Tensor::of_f32(values.clone(), dtype).expect("floats");
                let map = to_map(&tensor, layout).expect("a map");
                assert_eq!(map.dim().1, 5, "{layout:?}");
                assert_eq!(of_map(map, &tensor, layout), Some(tensor), "{layout:?} {dtype:?}");
            }
        }
    }
}
