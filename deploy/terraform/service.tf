locals {
  port = 9464

  config = coalesce(var.config, join("", [file("${path.module}/default-config.yaml"), var.alarms != null ? "metrics: {emf: true}\n" : ""]))

  environment = merge(
    {
      APPLICATION     = var.name
      AWS_REGION      = local.region
      STREAM_ARN      = local.stream_arn
      TOPIC_ARN       = local.topic_arns[0]
      DEAD_LETTER_URL = var.dead_letters ? aws_sqs_queue.dead_letters[0].url : ""
      # In the task definition and not in a parameter beside it: a deployment that is rolled back takes it back, too.
      KINESIS_ALERTER_CONFIG = local.config
    },
    var.environment,
  )

  # What the configuration names itself, as far as it can be read here: ${VARIABLE} within braces is not YAML. A file of
  # kinesis-alerter init names stream, application and topic. The module would make others beside them, and give the role
  # nothing of the file's.
  file        = contains(keys(var.secrets), "KINESIS_ALERTER_CONFIG") ? null : try(yamldecode(var.config), null)
  application = try(tostring(local.file.stream.application), "")
  stream      = { arn = try(tostring(local.file.stream.arn), ""), name = try(tostring(local.file.stream.name), "") }
  outputs     = [for output in try(values(local.file.outputs), []) : try(tostring(output.stream), "") if try(output.role_arn, null) == null]
  topics      = [for topic in try(values(local.file.topics), []) : try(tostring(topic.arn), "")]
}

resource "aws_ecs_cluster" "this" {
  count = var.cluster == null ? 1 : 0

  name = var.name
  tags = var.tags
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  task_role_arn            = aws_iam_role.task.arn
  execution_role_arn       = aws_iam_role.execution.arn
  tags                     = var.tags

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  container_definitions = jsonencode([{
    name                   = "kinesis-alerter"
    image                  = var.image
    essential              = true
    memory                 = var.memory # of the container, which is where the daemon looks for its limit
    command                = concat(["run", "--config", "env:KINESIS_ALERTER_CONFIG", "--listen", ":${local.port}"], var.fail_fast ? ["--fail-fast"] : [], var.extra_args)
    user                   = "65532:65532"
    readonlyRootFilesystem = true
    linuxParameters        = { capabilities = { drop = ["ALL"] } }
    stopTimeout            = var.stop_timeout
    environment            = [for name, value in local.environment : { name = name, value = value } if !contains(keys(var.secrets), name)]
    secrets                = [for name, arn in var.secrets : { name = name, valueFrom = arn }]
    portMappings           = [{ name = "admin", containerPort = local.port, protocol = "tcp" }]
    healthCheck = {
      command     = ["CMD", "/usr/local/bin/kinesis-alerter", "healthcheck"]
      interval    = 10
      timeout     = 5
      retries     = 3
      startPeriod = 30
    }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = local.region
        awslogs-stream-prefix = "ecs"
        # A log that cannot be written must not hold alerts. What the buffer cannot take is lost.
        mode            = "non-blocking"
        max-buffer-size = "25m"
      }
    }
  }])

  lifecycle {
    precondition {
      condition     = local.file == null || local.application == var.name || strcontains(local.application, "$${")
      error_message = "config: stream.application is \"${local.application}\", but lease table and role are those of name = \"${var.name}\". Write application: $${APPLICATION}, or set name to the application of the file."
    }
    precondition {
      # The ARN of a stream that is made here is not known when Terraform plans; its name is.
      condition = alltrue([for key, value in local.stream : value == "" || strcontains(value, "$${") || (
        var.stream == null ? element(split("/", value), -1) == var.name : value == (key == "arn" ? var.stream.arn : element(split("/", var.stream.arn), -1))
      )])
      error_message = "config: stream names ${join("", values(local.stream))}, which is not the stream of this module. Write arn: $${STREAM_ARN}, and set stream = { arn = \"...\" } to read a stream that exists; without it a new one is made."
    }
    precondition {
      condition = alltrue([for arn in local.topics : arn == "" || strcontains(arn, "$${") || (
        length(var.topic_arns) == 0 ? element(split(":", arn), -1) == var.name : contains(var.topic_arns, arn)
      )])
      error_message = "config: topics has an ARN that is not of this module, so its role may not publish there: ${join(", ", local.topics)}. Write arn: $${TOPIC_ARN}, and set topic_arns to publish to topics that exist; without it a new one is made."
    }
    precondition {
      # An output with a role of its own is written by that role. A name is of this account and region.
      condition = alltrue([for stream in local.outputs : stream == "" || strcontains(stream, "$${") || contains(var.output_stream_arns, stream) ||
        contains([for arn in var.output_stream_arns : join(" ", slice(split(":", replace(arn, ":stream/", ":")), 3, 6))], "${local.region} ${local.account} ${stream}")
      ])
      error_message = "config: outputs names a stream that is not in output_stream_arns, so the module's role may not write there: ${join(", ", local.outputs)}. Add its ARN to output_stream_arns."
    }
  }
}

resource "aws_security_group" "this" {
  name_prefix = "${var.name}-"
  description = "Workers of ${var.name}: HTTPS to AWS, and Prometheus to the admin port"
  vpc_id      = var.vpc_id
  tags        = var.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.this.id
  description       = "The AWS APIs"
  cidr_ipv4         = var.egress_cidr_ipv4
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  tags              = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "scraper" {
  for_each = var.scraper_security_group_ids

  security_group_id            = aws_security_group.this.id
  description                  = "Prometheus"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  tags                         = var.tags
}

resource "aws_ecs_service" "this" {
  name                          = var.name
  cluster                       = var.cluster != null ? var.cluster.arn : aws_ecs_cluster.this[0].arn
  task_definition               = aws_ecs_task_definition.this.arn
  launch_type                   = "FARGATE"
  desired_count                 = var.desired_count
  propagate_tags                = "SERVICE"
  availability_zone_rebalancing = "ENABLED"
  tags                          = var.tags

  # The new workers are there before the old ones go, which hand their shards over.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.this.id]
    assign_public_ip = var.assign_public_ip
  }

  # A worker that starts before its permissions ends, or waits for them without fail_fast.
  depends_on = [aws_iam_role_policy.task, aws_iam_role_policy.execution]
}
