# What the module makes when it is told no more than it has to be.
mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name       = "alerts"
  image      = "registry.example.com/kinesis-alerter:1.2.3"
  vpc_id     = "vpc-1"
  subnet_ids = ["subnet-1", "subnet-2"]
}

run "defaults" {
  assert {
    condition     = aws_kinesis_stream.this[0].encryption_type == "KMS" && aws_kinesis_stream.this[0].kms_key_id == "alias/aws/kinesis"
    error_message = "The stream is encrypted."
  }
  assert {
    condition     = alltrue([for t in [aws_dynamodb_table.leases, aws_dynamodb_table.state] : t.deletion_protection_enabled && t.point_in_time_recovery[0].enabled && t.server_side_encryption[0].enabled])
    error_message = "Both tables are protected from deletion, can be restored, and are encrypted."
  }
  assert {
    condition     = alltrue([for t in [aws_dynamodb_table.leases, aws_dynamodb_table.state] : t.hash_key == "leaseKey" && t.range_key == null && [for a in t.attribute : "${a.name} ${a.type}"] == ["leaseKey S"]])
    error_message = "The tables have the key that the daemon would give them."
  }
  assert {
    condition     = aws_dynamodb_table.leases.name == "alerts" && aws_dynamodb_table.state.name == "alerts-state"
    error_message = "The tables have the names that the daemon expects of an application."
  }
  assert {
    condition     = aws_sns_topic.this[0].kms_master_key_id == "alias/aws/sns" && aws_sqs_queue.dead_letters[0].sqs_managed_sse_enabled
    error_message = "Topic and dead letters are encrypted."
  }
  assert {
    condition     = aws_ecs_service.this.deployment_circuit_breaker[0].enable && aws_ecs_service.this.deployment_circuit_breaker[0].rollback && aws_ecs_service.this.deployment_minimum_healthy_percent == 100 && aws_ecs_service.this.deployment_maximum_percent == 200
    error_message = "A deployment that fails is rolled back, and old workers wait for the new ones."
  }
  assert {
    condition     = aws_ecs_service.this.network_configuration[0].assign_public_ip == false && length(aws_vpc_security_group_ingress_rule.scraper) == 0
    error_message = "Nobody reaches the tasks."
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.https.from_port == 443 && aws_vpc_security_group_egress_rule.https.to_port == 443
    error_message = "Tasks reach HTTPS alone."
  }
}

run "container" {
  assert {
    condition = alltrue([for c in jsondecode(aws_ecs_task_definition.this.container_definitions) : alltrue([
      c.user == "65532:65532", c.readonlyRootFilesystem, c.linuxParameters.capabilities.drop == ["ALL"], c.essential, c.stopTimeout == 60,
      c.healthCheck.command == ["CMD", "/usr/local/bin/kinesis-alerter", "healthcheck"],
      tostring(c.memory) == aws_ecs_task_definition.this.memory,
      c.logConfiguration.options.mode == "non-blocking", c.logConfiguration.options["max-buffer-size"] == "25m",
    ])])
    error_message = "The container can write nothing and gain nothing, is asked for its health, has time to drain, and does not wait for its log."
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command == ["run", "--config", "env:KINESIS_ALERTER_CONFIG", "--listen", ":9464", "--fail-fast"]
    error_message = "The configuration is in the task definition, and a worker that cannot work ends."
  }
  assert {
    condition = { for e in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : e.name => e.value } == {
      APPLICATION            = "alerts"
      AWS_REGION             = "us-east-1"
      STREAM_ARN             = aws_kinesis_stream.this[0].arn
      TOPIC_ARN              = aws_sns_topic.this[0].arn
      DEAD_LETTER_URL        = aws_sqs_queue.dead_letters[0].url
      KINESIS_ALERTER_CONFIG = file("./default-config.yaml")
    }
    error_message = "The container is told what the module has made."
  }
  assert {
    condition     = aws_ecs_task_definition.this.task_role_arn != aws_ecs_task_definition.this.execution_role_arn
    error_message = "What starts the daemon is not what it may do."
  }
}

run "options" {
  variables {
    config                     = "stream: {application: alerts}"
    dead_letters               = false
    deletion_protection        = false
    cluster                    = { arn = "arn:aws:ecs:us-east-1:000000000000:cluster/shared" }
    fail_fast                  = false
    extra_args                 = ["--create-table"]
    scraper_security_group_ids = { prometheus = "sg-prometheus" }
    environment                = { LIMIT = "3" }
    secrets                    = { WORD = "arn:aws:secretsmanager:us-east-1:000000000000:secret:word-AbCdEf:key::" }
  }
  assert {
    condition     = { for e in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : e.name => e.value if contains(["LIMIT", "DEAD_LETTER_URL", "KINESIS_ALERTER_CONFIG"], e.name) } == { LIMIT = "3", DEAD_LETTER_URL = "", KINESIS_ALERTER_CONFIG = "stream: {application: alerts}" }
    error_message = "The configuration and the variables are those that were given."
  }
  assert {
    condition     = length(aws_ecs_cluster.this) == 0 && aws_ecs_service.this.cluster == "arn:aws:ecs:us-east-1:000000000000:cluster/shared" && length(aws_sqs_queue.dead_letters) == 0
    error_message = "What exists is used, and what is not wanted is not made."
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.scraper["prometheus"].from_port == 9464 && aws_vpc_security_group_ingress_rule.scraper["prometheus"].to_port == 9464 && aws_vpc_security_group_ingress_rule.scraper["prometheus"].referenced_security_group_id == "sg-prometheus"
    error_message = "Prometheus reaches the admin port."
  }
  assert {
    condition     = jsonencode([for s in local.execution_statements : s.Resource if s.Sid == "ReadSecrets"]) == jsonencode([["arn:aws:secretsmanager:us-east-1:000000000000:secret:word-AbCdEf"]])
    error_message = "ECS may read the secret, which is named without the key within it."
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].command == ["run", "--config", "env:KINESIS_ALERTER_CONFIG", "--listen", ":9464", "--create-table"]
    error_message = "A worker can be told to wait, and more."
  }
  assert {
    condition     = !aws_dynamodb_table.leases.deletion_protection_enabled
    error_message = "The protection can be taken off."
  }
}

run "configuration_in_a_secret" {
  variables {
    secrets = { KINESIS_ALERTER_CONFIG = "arn:aws:ssm:us-east-1:000000000000:parameter/alerts/config" }
  }
  assert {
    condition     = !contains([for e in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : e.name], "KINESIS_ALERTER_CONFIG")
    error_message = "ECS refuses a name that is both a variable and a secret."
  }
  assert {
    condition     = jsonencode([for s in local.execution_statements : s.Resource if s.Sid == "ReadParameters"]) == jsonencode([["arn:aws:ssm:us-east-1:000000000000:parameter/alerts/config"]])
    error_message = "ECS may read the parameter."
  }
}

run "impossible_values" {
  command = plan
  variables {
    name             = "a.b"
    cpu_architecture = "RISCV"
    stop_timeout     = 25
    secrets          = { WORD = "word" }
  }
  expect_failures = [var.name, var.cpu_architecture, var.stop_timeout, var.secrets]
}
