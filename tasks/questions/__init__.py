"""Questions and answers: data sets, reading an answer out of free text, judging it."""
