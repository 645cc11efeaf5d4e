.PHONY: test
test: ## install what the tests need and run them
	python3 -m venv .venv
	.venv/bin/pip install --quiet -r requirements.txt
	.venv/bin/python -m pytest tests
