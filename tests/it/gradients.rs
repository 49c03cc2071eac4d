//! Every tensor that can be trained receives a gradient, and it is the derivative.
