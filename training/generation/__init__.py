"""Answers of a trained model.

generate   answers to prompts about images
"""
