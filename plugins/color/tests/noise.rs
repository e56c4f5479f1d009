//! Noise is the same bits in every engine, relative noise included.

use augraft_color::{Distribution, Noise};
use augraft_operator::{
    AnyOperator, Batch, Deviation, Element, Images, Layout, Operator, Parity, Probability, Scratch, Shape, StepKey,
};
use augraft_testkit::{backends, batch, compare_lowering, shape};

/// Noise of a distribution that half of the samples get.
fn noise(distribution: Distribution, std: f64, relative: bool) -> Noise {
    Noise { distribution, std: Deviation::new(std).expect("0 to 1000"), relative, p: Probability::HALF }
}

fn changed(noise: &Noise, mut batch: Batch) -> Batch {
    let draws = AnyOperator::draw(noise, &StepKey::new(3, "noise"), 0, &batch);
    AnyOperator::apply(noise, &draws, &mut batch, &mut Scratch::default()).expect("its own draws");
    batch
}

#[test]
fn no_bit_differs_on_any_backend() {
    assert_eq!(Noise::PARITY, Parity::Exact);
    let feature = Shape { image_size: Some([96, 64]), ..shape(Element::F32, 9, [14, 11]) };
    let open = |element| Shape { layout: Layout::Open, ..shape(element, 3, [1, 1]) };
    let shapes = [shape(Element::U8, 3, [40, 31]), feature, open(Element::F32), open(Element::U8)];
    let mut broken = Vec::new();
    for backend in backends() {
        for (distribution, std) in [(Distribution::Gaussian, 0.7), (Distribution::Uniform, 21.3)] {
            for operator in [false, true].map(|relative| noise(distribution, std, relative)) {
                broken.extend(shapes.iter().flat_map(|shape| compare_lowering(&operator, shape, &backend)));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn relative_noise_is_as_strong_as_the_sample_varies() {
    let before = batch(&shape(Element::F32, 4, [64, 64]), 6);
    let Images::F32(images) = &before.images else { panic!("floats") };
    let spread = |values: ndarray::ArrayView3<'_, f32>| f64::from(values.std(0.0));
    for (factor, offset) in [(1.0, 0.0), (1e-4, 0.0), (1e4, 0.0), (0.5, 700.0)] {
        let scaled = images.mapv(|value| value * factor + offset);
        let batch = Batch { images: Images::F32(scaled.clone()), ..before.clone() };
        let operator = Noise { p: Probability::ALWAYS, ..noise(Distribution::Gaussian, 0.25, true) };
        let Images::F32(noisy) = changed(&operator, batch).images else { panic!("floats") };
        for (noisy, plain) in noisy.outer_iter().zip(scaled.outer_iter()) {
            let ratio = spread((&noisy - &plain).view()) / spread(plain);
            assert!((ratio - 0.25).abs() < 0.01, "{factor} {offset}: {ratio}");
        }
    }
}

#[test]
fn a_sample_of_one_value_has_no_relative_noise() {
    for element in [Element::F32, Element::U8] {
        let mut before = batch(&shape(element, 3, [9, 8]), 3);
        match &mut before.images {
            Images::F32(images) => images.fill(-2.5),
            Images::U8(images) => images.fill(77),
            Images::Ragged(_) => panic!("images of one size"),
        }
        let operator = Noise { p: Probability::ALWAYS, ..noise(Distribution::Gaussian, 3.0, true) };
        assert_eq!(changed(&operator, before.clone()).images, before.images);
    }
}
