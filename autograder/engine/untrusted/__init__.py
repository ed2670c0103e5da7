"""What runs in the learner's process: whoever audits the engine reads this."""
