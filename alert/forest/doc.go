package forest
