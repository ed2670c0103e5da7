"""From a learner's file to marks: read, repair, run, judge, write down."""
