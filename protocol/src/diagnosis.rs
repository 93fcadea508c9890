//! A call's figures in sentences.
