//! The log store on a real disk.
