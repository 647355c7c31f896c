"""Problems whose steps nobody wrote down: strategies, each a LangGraph graph.

Lives here: what the strategies ask (prompt files), whom they ask (the desk), how answers are voted
on, and the graphs. Does not: reading and judging answers (``tasks.questions``), engines, runs.
"""
