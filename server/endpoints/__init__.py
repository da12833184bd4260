"""What the server answers, one module per subject: each translates a call into plain functions and back, no more."""
