"""The demo: a small invented district and the told story of one morning in it, over HTTP only."""
