"""The durable record of a run: directory, lease, journal, and the check of the journal's chain.

Here lives all that must survive a crash. A run is a directory (:mod:`runs.store`) written by one
process at a time (:mod:`runs.lease`); its truth is the journal (:mod:`runs.journal`), which can be
checked offline (:mod:`runs.verify`). Nothing here knows a task, an engine or an agent: steps are
two texts, configurations are plain dictionaries.
"""
