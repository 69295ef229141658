# The alarms of those who have no Prometheus.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name       = "alerts"
  image      = "registry.example.com/kinesis-alerter:1.2.3"
  vpc_id     = "vpc-1"
  subnet_ids = ["subnet-1"]
}

run "none" {
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) == 0
    error_message = "Nobody pays for alarms that were not asked for."
  }
}

run "four" {
  variables {
    stream = { arn = "arn:aws:kinesis:us-east-1:000000000000:stream/readings" }
    alarms = { actions = ["arn:aws:sns:us-east-1:000000000000:ops"], lag_seconds = 120 }
  }
  assert {
    condition     = toset([for a in aws_cloudwatch_metric_alarm.this : a.alarm_name]) == toset(["alerts-lag", "alerts-nothing-read", "alerts-topic-fault", "alerts-heartbeat"])
    error_message = "Four alarms."
  }
  assert {
    condition = alltrue([for a in aws_cloudwatch_metric_alarm.this : alltrue([
      a.dimensions == tomap({ stream = "readings", application = "alerts" }), a.namespace == "KinesisAlerter", a.period == 60,
      a.alarm_actions == toset(["arn:aws:sns:us-east-1:000000000000:ops"]), a.ok_actions == toset(["arn:aws:sns:us-east-1:000000000000:ops"]),
    ])])
    error_message = "The alarms watch what the daemon prints, and say so where they should."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["heartbeat"].treat_missing_data == "breaching" && alltrue([for n in ["lag", "nothing-read", "topic-fault"] : aws_cloudwatch_metric_alarm.this[n].treat_missing_data == "ignore"])
    error_message = "Silence is one alarm, and ends none."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["lag"].threshold == 120 && aws_cloudwatch_metric_alarm.this["lag"].statistic == "Maximum"
    error_message = "The worst lag of all workers counts."
  }
  assert {
    condition     = strcontains({ for e in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : e.name => e.value }["KINESIS_ALERTER_CONFIG"], "\nmetrics: {emf: true}\n")
    error_message = "The module's own configuration prints the line."
  }
  assert {
    condition     = alltrue([for k in keys(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].logConfiguration.options) : contains(["awslogs-group", "awslogs-region", "awslogs-stream-prefix", "mode", "max-buffer-size"], k)])
    error_message = "One line is one event: no option joins lines."
  }
}

run "a_configuration_that_prints_nothing" {
  command = plan
  variables {
    config = "stream: {application: alerts}"
    alarms = {}
  }
  expect_failures = [aws_cloudwatch_metric_alarm.this]
}

run "configurations_that_do" {
  command = plan
  variables {
    config = "stream: {application: alerts}\nmetrics:\n  emf: true\n"
    alarms = {}
  }
}
