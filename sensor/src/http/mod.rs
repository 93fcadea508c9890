//! What the sensor's own pages have in common: reading one request, who may be connected, HTML.

pub(crate) mod html;
pub(crate) mod request;
pub(crate) mod seat;
