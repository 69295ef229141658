# An account in which nothing is, with names as AWS would make them.
mock_data "aws_region" {
  defaults = { id = "us-east-1", name = "us-east-1" }
}

mock_data "aws_partition" {
  defaults = { partition = "aws" }
}

mock_data "aws_caller_identity" {
  defaults = { account_id = "000000000000" }
}

mock_resource "aws_kinesis_stream" {
  defaults = { arn = "arn:aws:kinesis:us-east-1:000000000000:stream/alerts" }
}

mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:us-east-1:000000000000:alerts" }
}

mock_resource "aws_sqs_queue" {
  defaults = {
    arn = "arn:aws:sqs:us-east-1:000000000000:alerts-dead-letters"
    url = "https://sqs.us-east-1.amazonaws.com/000000000000/alerts-dead-letters"
  }
}

override_resource {
  target = aws_dynamodb_table.leases
  values = { arn = "arn:aws:dynamodb:us-east-1:000000000000:table/alerts" }
}

override_resource {
  target = aws_dynamodb_table.state
  values = { arn = "arn:aws:dynamodb:us-east-1:000000000000:table/alerts-state" }
}

override_resource {
  target = aws_iam_role.task
  values = { arn = "arn:aws:iam::000000000000:role/alerts-task" }
}

override_resource {
  target = aws_iam_role.execution
  values = { arn = "arn:aws:iam::000000000000:role/alerts-execution" }
}

mock_resource "aws_cloudwatch_log_group" {
  defaults = { arn = "arn:aws:logs:us-east-1:000000000000:log-group:/ecs/alerts" }
}

mock_resource "aws_ecs_task_definition" {
  defaults = { arn = "arn:aws:ecs:us-east-1:000000000000:task-definition/alerts:1" }
}

mock_resource "aws_ecs_cluster" {
  defaults = { arn = "arn:aws:ecs:us-east-1:000000000000:cluster/alerts" }
}
