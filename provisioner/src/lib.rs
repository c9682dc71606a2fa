//! provisioner (being built).
