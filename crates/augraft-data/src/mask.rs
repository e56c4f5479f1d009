use std::io::Cursor;

use ndarray::Array3;
use png::{BitDepth, ColorType, Decoder, Transformations};

use crate::decode::{DecodeError, Image, Limits, check_size, invalid, scan_png};

/// Decodes a mask: a PNG whose gray levels or palette indices are class ids; u8, axes H, W, 1.
///
/// Palette indices are taken as they are, not their colors, so that masks as of Pascal VOC and ADE20K are read alike. Bit depths 1 to 8 are unpacked.
///
/// # Errors
/// When it is no PNG, is cut anywhere, has colors or 16 bits, or is beyond `limits`.
pub fn decode_mask(bytes: &[u8], limits: Limits) -> Result<Image, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::NoBytes);
    }
    if !bytes.starts_with(b"\x89PNG") {
        return Err(DecodeError::NotMask("is no PNG"));
    }
    let (width, height) = scan_png(bytes)?;
    check_size(width, height, limits)?;
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(|error| invalid("PNG", &error))?;
    let (color, depth) = reader.output_color_type();
    if !matches!(color, ColorType::Grayscale | ColorType::Indexed) {
        return Err(DecodeError::NotMask("has colors, and not one class id for each pixel"));
    }
    let bits = match depth {
        BitDepth::One => 1,
        BitDepth::Two => 2,
        BitDepth::Four => 4,
        BitDepth::Eight => 8,
        BitDepth::Sixteen => return Err(DecodeError::NotMask("has 16 bits a pixel, and class ids have 8")),
    };
    let size = reader.output_buffer_size().ok_or(DecodeError::NotMask("is too large"))?;
    let mut packed = vec![0; size];
    let frame = reader.next_frame(&mut packed).map_err(|error| invalid("PNG", &error))?;
    let (width, height) = (width as usize, height as usize);
    let id = |(y, x, _): (usize, usize, usize)| {
        let bit = x * bits;
        let byte = packed[y * frame.line_size + bit / 8];
        (byte >> (8 - bits - bit % 8)) & (0xff >> (8 - bits))
    };
    Ok(Array3::from_shape_fn([height, width, 1], id))
}
