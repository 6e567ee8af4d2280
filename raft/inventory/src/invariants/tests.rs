//! Each check is itself tested on a state known to be bad.
