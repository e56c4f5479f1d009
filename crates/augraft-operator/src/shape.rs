//! What a step knows before it runs: shapes, element types, and the problems they raise.

/// Element type of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// 0 to 255.
    U8,
    /// Single precision.
    F32,
}

/// The static shape of a batch at a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Images of any size, or all of one.
    pub layout: Layout,
    /// Channels.
    pub channels: usize,
    /// Element type.
    pub element: Element,
    /// Classes of the labels, 0 without labels.
    pub classes: usize,
    /// Height and width of the images that feature maps come from; `None` at the input.
    pub image_size: Option<[usize; 2]>,
}

/// Whether all images of a batch have one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A list of images, each with its own size.
    Ragged,
    /// One array of images of one size, which an exported file leaves open.
    Open,
    /// One array of images of this size.
    Dense {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
}

impl Shape {
    /// Images as they are decoded: RGB bytes of any size.
    #[must_use]
    pub fn ragged(classes: usize) -> Self {
        Self { layout: Layout::Ragged, channels: 3, element: Element::U8, classes, image_size: None }
    }

    /// The same batch with all images of one size.
    #[must_use]
    pub fn resized(&self, [height, width]: [usize; 2]) -> Self {
        Self { layout: Layout::Dense { height, width }, ..self.clone() }
    }

    /// Height and width where all images have one size.
    #[must_use]
    pub fn size(&self) -> Option<[usize; 2]> {
        match self.layout {
            Layout::Ragged | Layout::Open => None,
            Layout::Dense { height, width } => Some([height, width]),
        }
    }

    /// Checks that all images have one size, known or open.
    ///
    /// # Errors
    /// When the images have different sizes; says how to get there.
    pub fn uniform(&self) -> Result<(), Issue> {
        if self.layout == Layout::Open { Ok(()) } else { self.dense().map(|_| ()) }
    }

    /// Height and width, or the issue that says how to get there.
    ///
    /// # Errors
    /// When the images have different sizes, or one that is open.
    pub fn dense(&self) -> Result<[usize; 2], Issue> {
        if self.layout == Layout::Open {
            return Err(Issue::new("", "needs the size of the images, which is left open here")
                .help("give it with `--size H W`"));
        }
        self.size().ok_or_else(|| {
            Issue::new("", "needs images of one size, but here they still have the sizes of their files")
                .help("put `resized_crop`, `resize`, `random_crop` or `center_crop` before this step")
        })
    }

    /// Checks that all images are square; `path` is the parameter that needs it, and `help` says how to get there.
    ///
    /// # Errors
    /// When they are not, have different sizes, or one that is open.
    pub fn square(&self, path: &str, help: &str) -> Result<(), Issue> {
        let [height, width] = self.dense()?;
        if height == width {
            return Ok(());
        }
        let message = format!("needs square images, but here they have {height} rows and {width} columns");
        Err(Issue::new(path, message).help(help))
    }

    /// The shape as `explain` prints it, for example `u8 [N,3,224,224]`.
    #[must_use]
    pub fn describe(&self) -> String {
        let element = match self.element {
            Element::U8 => "u8",
            Element::F32 => "f32",
        };
        match self.layout {
            Layout::Ragged => format!("{element} [N][{},H,W]", self.channels),
            Layout::Open => format!("{element} [N,{},H,W]", self.channels),
            Layout::Dense { height, width } => format!("{element} [N,{},{height},{width}]", self.channels),
        }
    }
}

/// A problem of one parameter or step; the pipeline turns the path into a place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Path of the parameter below the step, such as `mean[2]`; empty for the step itself.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Issue {
    /// A problem of the parameter at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), help: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl From<String> for Issue {
    fn from(message: String) -> Self {
        Self::new("", message)
    }
}

/// How closely the backends agree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Parity {
    /// Bit for bit.
    Exact,
    /// Within this much on values of `[0, 1]` (for bytes: within one level).
    Within(f32),
    /// Only the native backend runs it; the reason is told.
    NativeOnly(&'static str),
}

/// What an operator does to values, apart from what it moves and mixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// They stay as they are.
    Kept,
    /// They change.
    Changed,
    /// Content is removed or disturbed.
    Erased,
}

/// What a step changes, as it states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct Effects {
    /// What happens to values.
    pub values: Values,
    /// Whether pixels move.
    pub moves: bool,
    /// Whether none is lost, doubled or made up by that.
    pub permutes: bool,
    /// Whether samples take something from others.
    pub mixes: bool,
    /// Whether that is a blend of whole samples, with the same weights everywhere.
    pub blends: bool,
    /// Whether labels change.
    pub labels: bool,
    /// Whether masks change.
    pub masks: bool,
    /// Whether boxes and keypoints change.
    pub objects: bool,
    /// Whether only the operator knows where pixels come from, so that nothing can follow them.
    pub opaque: bool,
}

impl Effects {
    /// What an operator changes that neither moves nor mixes.
    #[must_use]
    pub fn of(values: Values) -> Self {
        Self {
            values,
            moves: false,
            permutes: true,
            mixes: false,
            blends: false,
            labels: false,
            masks: false,
            objects: false,
            opaque: false,
        }
    }

    /// Whether the step is a graft: mixes samples or removes content.
    #[must_use]
    pub fn grafts(self) -> bool {
        self.mixes || self.values == Values::Erased
    }

    /// The word for it in lists.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Effects { mixes: true, .. } => "mix",
            Effects { moves: true, .. } => "geometry",
            Effects { values: Values::Erased, .. } => "erase",
            Effects { values: Values::Changed, .. } => "color",
            Effects { labels: true, .. } => "labels",
            _ => "samples",
        }
    }
}
