"""Any file that a learner hands in becomes a whole notebook."""
