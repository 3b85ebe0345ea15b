"""What draws the eye in a picture; one kind of points per module. OpenCV is imported only when it is asked."""
