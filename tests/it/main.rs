#[test] fn t(){}
mod project;
