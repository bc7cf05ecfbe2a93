"""What a machine holds, computed from what requests were measured to cost."""
