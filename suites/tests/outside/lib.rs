//! A project that tests its chain with Plumbline.
