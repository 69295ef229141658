# A file of kinesis-alerter init or check --explain-lambda names its own stream, application and topic. What it names has
# to be what the module makes or is given: otherwise the daemon would read one stream, and its role allow another.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name       = "kinesis-alerter-orders"
  image      = "registry.example.com/kinesis-alerter:1.2.3"
  vpc_id     = "vpc-1"
  subnet_ids = ["subnet-1", "subnet-2"]
  stream     = { arn = "arn:aws:kinesis:us-east-1:000000000000:stream/orders" }
  topic_arns = ["arn:aws:sns:us-east-1:000000000000:oncall"]
  config     = <<-EOT
    stream:
      name: orders
      application: kinesis-alerter-orders
    topics:
      alerts:
        arn: arn:aws:sns:us-east-1:000000000000:oncall
  EOT
}

run "names_what_the_module_is_given" {
  command = plan
}

run "names_what_the_module_makes" {
  command = plan
  variables {
    name       = "orders"
    stream     = null
    topic_arns = []
    config     = "{stream: {arn: 'arn:aws:kinesis:us-east-1:000000000000:stream/orders', application: orders}, topics: {alerts: {arn: 'arn:aws:sns:us-east-1:000000000000:orders'}}}"
  }
}

run "variables" {
  command = plan
  variables {
    config = <<-EOT
      stream:
        arn: $${STREAM_ARN}
        application: $${APPLICATION}
      topics:
        alerts:
          arn: $${TOPIC_ARN}
    EOT
  }
}

# No YAML before the daemon has put the values in.
run "variables_in_braces" {
  command = plan
  variables {
    config = "stream: {arn: $${STREAM_ARN}, application: $${APPLICATION}}"
  }
}

# The secret replaces it.
run "replaced_by_a_secret" {
  command = plan
  variables {
    name    = "orders-alerts"
    secrets = { KINESIS_ALERTER_CONFIG = "arn:aws:ssm:us-east-1:000000000000:parameter/alerts/config" }
  }
}

run "another_application" {
  command = plan
  variables {
    name = "orders-alerts"
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "no_application" {
  command = plan
  variables {
    config = "stream: {name: orders}"
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "another_stream_by_name" {
  command = plan
  variables {
    stream = { arn = "arn:aws:kinesis:us-east-1:000000000000:stream/readings" }
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "another_stream_by_arn" {
  command = plan
  variables {
    config = "stream: {arn: 'arn:aws:kinesis:eu-west-1:000000000000:stream/orders', application: kinesis-alerter-orders}"
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "a_stream_that_would_be_made" {
  command = plan
  variables {
    stream = null
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "output_streams" {
  command = plan
  variables {
    output_stream_arns = ["arn:aws:kinesis:us-east-1:000000000000:stream/scored", "arn:aws:kinesis:eu-west-1:111111111111:stream/archive"]
    config             = <<-EOT
      stream: {name: orders, application: kinesis-alerter-orders}
      topics: {alerts: {arn: "arn:aws:sns:us-east-1:000000000000:oncall"}}
      outputs:
        scored: {stream: scored}
        archive: {stream: "arn:aws:kinesis:eu-west-1:111111111111:stream/archive"}
        theirs: {stream: "arn:aws:kinesis:us-east-1:222222222222:stream/t", role_arn: "arn:aws:iam::222222222222:role/t"}
    EOT
  }
}

run "an_output_stream_that_the_role_may_not_write" {
  command = plan
  variables {
    config = "{stream: {name: orders, application: kinesis-alerter-orders}, topics: {alerts: {arn: 'arn:aws:sns:us-east-1:000000000000:oncall'}}, outputs: {scored: {stream: scored}}}"
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "an_output_stream_of_that_name_elsewhere" {
  command = plan
  variables {
    output_stream_arns = ["arn:aws:kinesis:us-east-1:111111111111:stream/scored"]
    config             = "{stream: {name: orders, application: kinesis-alerter-orders}, topics: {alerts: {arn: 'arn:aws:sns:us-east-1:000000000000:oncall'}}, outputs: {scored: {stream: scored}}}"
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "another_topic" {
  command = plan
  variables {
    topic_arns = ["arn:aws:sns:us-east-1:000000000000:office"]
  }
  expect_failures = [aws_ecs_task_definition.this]
}

run "a_topic_that_would_be_made" {
  command = plan
  variables {
    topic_arns = []
  }
  expect_failures = [aws_ecs_task_definition.this]
}
