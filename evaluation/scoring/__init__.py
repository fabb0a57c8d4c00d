"""Cases and predictions to scores.

evaluated  what an evaluation of one dataset found
"""
