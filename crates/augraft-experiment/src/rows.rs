//! `rows.parquet`: one row for each unit in each setting.

use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use serde_json::Value;

use crate::error::ExperimentError;
use crate::plan::{ExperimentPlan, SetSource, cell};
use crate::results::Results;
use crate::table::Row;

/// Rows in one group of the file.
const GROUP: usize = 1 << 18;

/// A column of the file.
struct Column<'p> {
    name: String,
    values: Values<'p>,
}

/// What a column holds of a row; none is null.
enum Values<'p> {
    Text(Of<'p, String>),
    Int(Of<'p, i64>),
    Float(Of<'p, f32>),
    Double(Of<'p, f64>),
}

type Of<'p, T> = Box<dyn Fn(&Row) -> Option<T> + 'p>;

/// Writes all rows, by set, setting and unit.
///
/// # Errors
/// When the disk refuses.
pub(crate) fn write_rows(path: &Path, plan: &ExperimentPlan, results: &Results) -> Result<(), ExperimentError> {
    let columns = columns(plan);
    let rows: Vec<&Row> = results.rows.values().flatten().collect();
    let write = || -> Result<(), ParquetError> {
        let fields = columns.iter().map(|column| column.field().map(Arc::new)).collect::<Result<_, _>>()?;
        let schema = Type::group_type_builder("rows").with_fields(fields).build()?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let file = std::fs::File::create(path)?;
        let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))?;
        for group in rows.chunks(GROUP) {
            let mut into = writer.next_row_group()?;
            for column in &columns {
                column.write(group, &mut into)?;
            }
            into.close()?;
        }
        writer.close()?;
        Ok(())
    };
    write().map_err(|error| ExperimentError::file("cannot write", path, error))
}

fn columns(plan: &ExperimentPlan) -> Vec<Column<'_>> {
    let setting = |row: &Row| &plan.settings[row.setting as usize];
    let mut columns = vec![
        Column::text("set", move |row| Some(plan.sets[row.set as usize].name.clone())),
        Column::text("intervention", move |row| Some(setting(row).intervention.clone())),
        Column::text("site", move |row| Some(plan.site_name(setting(row)).to_owned())),
    ];
    for (at, name) in plan.variables.iter().enumerate() {
        let value = move |row: &Row| setting(row).values[at].as_ref();
        let is_number = plan.settings.iter().filter_map(|setting| setting.values[at].as_ref()).all(Value::is_number);
        columns.push(if is_number {
            let values = Values::Double(Box::new(move |row| value(row).and_then(Value::as_f64)));
            Column { name: format!("sweep_{name}"), values }
        } else {
            Column::text(&format!("sweep_{name}"), move |row| value(row).map(cell))
        });
    }
    columns.push(Column::text("key", move |row| match &plan.sets[row.set as usize].source {
        SetSource::Data(dataset) => Some(dataset.key(row.image as usize).to_owned()),
        SetSource::Noise(_) => None,
    }));
    for (at, name) in Row::INTS.iter().enumerate().filter(|(_, name)| **name != "set") {
        let may_miss = !matches!(*name, "unit" | "setting" | "image" | "top1");
        let value = move |row: &Row| Some(row.ints()[at]).filter(|value| !may_miss || *value >= 0);
        columns.push(Column { name: (*name).to_owned(), values: Values::Int(Box::new(value)) });
    }
    for (at, name) in Row::FLOATS.iter().enumerate() {
        let value = move |row: &Row| Some(row.floats()[at]).filter(|value| !value.is_nan());
        columns.push(Column { name: (*name).to_owned(), values: Values::Float(Box::new(value)) });
    }
    columns
}

impl<'p> Column<'p> {
    fn text(name: &str, value: impl Fn(&Row) -> Option<String> + 'p) -> Self {
        Self { name: name.to_owned(), values: Values::Text(Box::new(value)) }
    }

    fn field(&self) -> Result<Type, ParquetError> {
        let physical = match self.values {
            Values::Text(_) => PhysicalType::BYTE_ARRAY,
            Values::Int(_) => PhysicalType::INT64,
            Values::Float(_) => PhysicalType::FLOAT,
            Values::Double(_) => PhysicalType::DOUBLE,
        };
        let logical = matches!(self.values, Values::Text(_)).then_some(LogicalType::String);
        let builder = Type::primitive_type_builder(&self.name, physical);
        builder.with_repetition(Repetition::OPTIONAL).with_logical_type(logical).build()
    }

    fn write(&self, rows: &[&Row], into: &mut SerializedRowGroupWriter<'_, std::fs::File>) -> Result<(), ParquetError> {
        match &self.values {
            Values::Text(value) => {
                put::<ByteArrayType>(into, rows, |row| value(row).map(|text| ByteArray::from(text.into_bytes())))
            }
            Values::Int(value) => put::<Int64Type>(into, rows, value),
            Values::Float(value) => put::<FloatType>(into, rows, value),
            Values::Double(value) => put::<DoubleType>(into, rows, value),
        }
    }
}

fn put<T: DataType>(
    into: &mut SerializedRowGroupWriter<'_, std::fs::File>,
    rows: &[&Row],
    value: impl Fn(&Row) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let Some(mut column) = into.next_column()? else { return Ok(()) };
    let cells: Vec<Option<T::T>> = rows.iter().map(|row| value(row)).collect();
    let levels: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<T::T> = cells.into_iter().flatten().collect();
    column.typed::<T>().write_batch(&values, Some(&levels), None)?;
    column.close()
}
