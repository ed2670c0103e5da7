"""What an author declared, put to an answer: cases, right answers, verdicts, words."""
