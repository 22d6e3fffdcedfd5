"""Run commands and services in an environment: sandbox, activation, services."""
