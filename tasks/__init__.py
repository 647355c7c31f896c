"""Problems cut into steps: how a step is asked, read, compared and judged. Knows no engine."""
