//! Pictures of few colors, for files that are small.

use png::{BitDepth, ColorType, Compression, Encoder, EncodingError, Filter};

/// Numbers of colors that are tried, from the best picture to the smallest.
const COLORS: [usize; 6] = [256, 128, 64, 32, 16, 8];

/// The picture (rows of RGB) as a PNG with a palette: as many colors as fit into `most` bytes.
pub(crate) fn small_png(pixels: &[[u8; 3]], width: usize, most: usize) -> Result<Vec<u8>, EncodingError> {
    let mut file = Vec::new();
    for colors in COLORS {
        file = encode(pixels, width, colors)?;
        if file.len() <= most {
            break;
        }
    }
    Ok(file)
}

fn encode(pixels: &[[u8; 3]], width: usize, colors: usize) -> Result<Vec<u8>, EncodingError> {
    let mut indices = vec![0; pixels.len()];
    let mut palette = Vec::new();
    for (index, group) in groups(pixels, colors).iter().enumerate() {
        palette.extend(mean(pixels, group).map(|value| value.round() as u8));
        for at in group {
            indices[*at] = index as u8;
        }
    }
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, width as u32, (pixels.len() / width) as u32);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_palette(palette);
    encoder.set_compression(Compression::High);
    // Neighbors in a palette are not alike, so differences between pixels only cost.
    encoder.set_filter(Filter::NoFilter);
    encoder.write_header()?.write_image_data(&indices)?;
    Ok(file)
}

/// The pixels in at most `count` groups of like colors: the group that deviates most is cut at its mean, again and again.
fn groups(pixels: &[[u8; 3]], count: usize) -> Vec<Vec<usize>> {
    let all: Vec<usize> = (0..pixels.len()).collect();
    let mut open = vec![(widest(pixels, &all), all)];
    while open.len() < count {
        let deviating = (0..open.len()).max_by(|a, b| open[*a].0.deviation.total_cmp(&open[*b].0.deviation));
        let Some(at) = deviating.filter(|at| open[*at].0.deviation > 0.0) else { break };
        let (Axis { channel, mean, .. }, group) = open.swap_remove(at);
        let (low, high): (Vec<usize>, Vec<usize>) =
            group.into_iter().partition(|at| f64::from(pixels[*at][channel]) <= mean);
        open.extend([low, high].map(|half| (widest(pixels, &half), half)));
    }
    open.into_iter().map(|(_, group)| group).collect()
}

/// The channel in which a group differs most.
struct Axis {
    channel: usize,
    mean: f64,
    /// Sum of squares around the mean.
    deviation: f64,
}

fn widest(pixels: &[[u8; 3]], group: &[usize]) -> Axis {
    let mean = mean(pixels, group);
    let axis = |channel: usize| {
        let squares = group.iter().map(|at| (f64::from(pixels[*at][channel]) - mean[channel]).powi(2));
        Axis { channel, mean: mean[channel], deviation: squares.sum() }
    };
    let [first, second, third] = [axis(0), axis(1), axis(2)];
    [second, third].into_iter().fold(first, |most, axis| if axis.deviation > most.deviation { axis } else { most })
}

fn mean(pixels: &[[u8; 3]], group: &[usize]) -> [f64; 3] {
    let sum = |channel: usize| group.iter().map(|at| f64::from(pixels[*at][channel])).sum::<f64>();
    [sum(0), sum(1), sum(2)].map(|sum| sum / group.len().max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_of_one_color_stay_together() {
        let pixels = [[0, 0, 0], [255, 0, 0], [0, 0, 0], [255, 9, 0]];
        let mut found = groups(&pixels, 2);
        found.sort();
        assert_eq!(found, [vec![0, 2], vec![1, 3]]);
        assert_eq!(groups(&pixels, 100).len(), 3);
        assert!(groups(&[], 4).iter().all(Vec::is_empty));
    }

    #[test]
    fn colors_are_given_up_until_the_file_is_small() {
        // No two neighbors are alike, so that nothing but fewer colors makes the file smaller.
        let noise = |at: u32, factor: u32| (at.wrapping_mul(factor) >> 24) as u8;
        let pixels: Vec<[u8; 3]> = (0..64 * 64u32)
            .map(|at| [noise(at, 2_654_435_761), noise(at, 2_246_822_519), noise(at, 3_266_489_917)])
            .collect();
        let (large, small) = (small_png(&pixels, 64, usize::MAX).unwrap(), small_png(&pixels, 64, 2000).unwrap());
        assert!(small.len() <= 2000 && small.len() < large.len(), "{} of {}", small.len(), large.len());
        let mut reader = png::Decoder::new(std::io::Cursor::new(&small)).read_info().unwrap();
        assert_eq!((reader.info().width, reader.info().height), (64, 64));
        let mut read = vec![0; 64 * 64];
        reader.next_frame(&mut read).unwrap();
    }
}
