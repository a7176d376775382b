//! Pictures: golden texts of the tree and the flowchart, and properties of every SVG.

#[path = "../../../core/tests/common/mod.rs"]
mod common;
mod scenes;
mod svg;
mod words;
mod xml;
