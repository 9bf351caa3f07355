"""The kill test: random faults over real rollouts, judged from outside by an observer that shares no code with them."""
