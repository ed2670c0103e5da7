"""Sessions on other machines: one end at home, where the judge is, and one far away."""
