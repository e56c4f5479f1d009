//! Operators made for feature maps.

mod blocks;
mod channel_drop;
mod clip_quantile;
mod dropblock;
mod keep;
mod mixstyle;
mod moex;
mod moments;
mod patchup;
mod prune_quantile;
mod quantile;
mod region;
mod scale;
mod zero;

pub use channel_drop::{ChannelDrop, Rescale};
pub use clip_quantile::ClipQuantile;
pub use dropblock::{BlockRescale, DropBlock};
pub use keep::{Keep, Sides};
pub use mixstyle::MixStyle;
pub use moex::MoEx;
pub use moments::Norm;
pub use patchup::{PatchMode, PatchUp};
pub use prune_quantile::PruneQuantile;
pub use region::Unit;
pub use scale::{Factor, Scale};
pub use zero::Zero;
