use augraft_data::{DecodeError, Image, Limits, decode};
use image::{DynamicImage, ExtendedColorType, ImageBuffer};
use insta::assert_snapshot;
use ndarray::arr3;

use crate::make::{fixture, png, png_from, png_of};

const JPEGS: [&str; 6] = ["baseline.jpg", "progressive.jpg", "restart.jpg", "gray.jpg", "cmyk.jpg", "rotated.jpg"];

fn decoded(bytes: &[u8]) -> Image {
    decode(bytes, Limits::default()).unwrap()
}

fn error(bytes: &[u8]) -> DecodeError {
    decode(bytes, Limits::default()).unwrap_err()
}

#[test]
fn every_png_layout_becomes_rgb() {
    assert_eq!(decoded(&png(1, 1, [1, 2, 3])), arr3(&[[[1, 2, 3]]]));
    assert_eq!(decoded(&png_of(&[7, 9], 2, 1, ExtendedColorType::L8)), arr3(&[[[7; 3], [9; 3]]]));
    assert_eq!(decoded(&png_of(&[7, 0], 1, 1, ExtendedColorType::La8)), arr3(&[[[7; 3]]]));
    assert_eq!(decoded(&png_of(&[7, 8, 9, 0], 1, 1, ExtendedColorType::Rgba8)), arr3(&[[[7, 8, 9]]]));
    assert_eq!(decoded(&fixture("palette.png")), arr3(&[[[10, 20, 30], [40, 50, 60], [70, 80, 90]]]));
}

#[test]
fn samples_of_16_bits_keep_the_high_byte() {
    let gray = ImageBuffer::from_raw(3, 1, vec![0x00ff_u16, 0x12ff, 0xffff]).unwrap();
    assert_eq!(decoded(&png_from(&DynamicImage::ImageLuma16(gray))), arr3(&[[[0; 3], [0x12; 3], [0xff; 3]]]));
    let rgba = ImageBuffer::from_raw(1, 1, vec![0x0180_u16, 0x02ff, 0x0300, 0]).unwrap();
    assert_eq!(decoded(&png_from(&DynamicImage::ImageRgba16(rgba))), arr3(&[[[1, 2, 3]]]));
}

/// The sums are those that Pillow 13 decodes, the tolerance 0.2 of a level a pixel (1.5 for the CMYK conversion).
#[test]
fn jpegs_are_pillows_to_rounding() {
    let sums = [424_338, 424_338, 424_338, 450_411, 424_470, 424_338];
    for (name, pillow) in JPEGS.into_iter().zip(sums) {
        let image = decoded(&fixture(name));
        assert_eq!(image.dim(), (32, 48, 3), "{name}");
        let sum: i64 = image.iter().map(|&v| i64::from(v)).sum();
        let tolerance = if name == "cmyk.jpg" { 1.5 } else { 0.2 };
        assert!((sum - pillow).abs() as f64 <= tolerance * image.len() as f64, "{name}: {sum} is not {pillow}");
    }
    assert_eq!(decoded(&fixture("rotated.jpg")), decoded(&fixture("baseline.jpg")));
    assert_eq!(decoded(&fixture("progressive.jpg")), decoded(&fixture("baseline.jpg")));
}

#[test]
fn a_cut_anywhere_is_an_error() {
    for name in JPEGS.into_iter().chain(["palette.png"]) {
        let bytes = fixture(name);
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length], Limits::default()).is_err(), "{name} cut to {length} bytes");
        }
    }
}

#[test]
fn damage_never_panics() {
    for name in JPEGS.into_iter().chain(["palette.png"]) {
        let bytes = fixture(name);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= [0x01, 0x80, 0xff][at % 3];
            let _ = decode(&damaged, Limits { max_side: 256, max_pixels: 65_536 });
        }
    }
}

fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png(1, 1, [0; 3]);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    bytes
}

fn jpeg_header(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = fixture("baseline.jpg");
    let frame = bytes.windows(2).position(|w| w == b"\xff\xc0").unwrap();
    bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

#[test]
fn headers_are_checked_before_pixels_are_allocated() {
    assert_snapshot!(error(&png_header(40_000, 40_000)), @"its header claims 40000 x 40000 pixels, more than 20000 a side or 100000000 in all");
    assert_snapshot!(error(&jpeg_header(40_000, 40_000)), @"its header claims 40000 x 40000 pixels, more than 20000 a side or 100000000 in all");
    assert_snapshot!(error(&png_header(20_000, 20_000)), @"its header claims 20000 x 20000 pixels, more than 20000 a side or 100000000 in all");
    assert_snapshot!(error(&png_header(0, 7)), @"its size is 0 x 7 pixels");
    assert_snapshot!(error(&jpeg_header(7, 0)), @"its size is 7 x 0 pixels");
}

#[test]
fn messages_say_what_is_wrong() {
    assert_snapshot!(error(b""), @"it has no bytes");
    assert_snapshot!(error(b"GIF89a, not a picture we read"), @"it is neither a JPEG nor a PNG");
    let jpeg = fixture("baseline.jpg");
    assert_snapshot!(error(&jpeg[..jpeg.len() / 2]), @"the JPEG data end early");
    let png = png(4, 4, [1, 2, 3]);
    assert_snapshot!(error(&png[..png.len() - 1]), @"the PNG data end early");
    let mut damaged = png;
    damaged[45] ^= 0xff;
    assert_snapshot!(error(&damaged), @"the PNG data are invalid (Format error decoding Png: Corrupt deflate stream. InvalidUncompressedBlockLength)");
}
