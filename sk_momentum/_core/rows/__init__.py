"""What is n long: dense and sparse rows, the point that they are taken about, their moments."""
