print("switchback")
