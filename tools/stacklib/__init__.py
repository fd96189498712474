"""What tools/stack is made of."""
